"""Whether forms and images of a subject speak of the same examinations. Findings only."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.finding_texts import make_finding
from schemas.protocol import read_evidence, read_protocol
from schemas.records import Finding
from schemas.reference import ReferenceState, SubjectReference
from tasks.eligibility.consent import consent_status
from tasks.eligibility.imaging_facts import BASELINE_ROLES, BaselineExams
from tasks.eligibility.subjects import SubjectRecord

_FOLLOW_UP = "followup"
_IMAGED = ("CT", "MR")
_Problem = tuple[str, str, str]  # rule, column, what it is about


def check_subject(subject: SubjectRecord, baseline: BaselineExams) -> list[Finding]:
    """Return findings about forms and images that do not agree, or of which one is missing."""
    problems = {
        *((rule, f"{role}_date", role) for rule, role in baseline.problems),
        *_about_demographics(subject),
        *_exams_without_partner(subject),
        *_follow_ups_without_partner(subject),
        *_before_recruitment(subject),
    }
    return [
        make_finding(
            "protocol",
            rule,
            subject.site,
            object_type="subject",
            object_id=subject.subject_id,
            column=column,
            expected=role,
        )
        for rule, column, role in sorted(problems)
    ]


def check_references(subject: SubjectRecord, reference: SubjectReference) -> list[Finding]:
    """Return a finding for each lesion whose record contradicts its label, or does not carry it.

    Each quotes the fields, never their values.
    """
    found = _about_adjudications(subject, reference)
    for lesion in reference.lesions:
        lesion_id = f"{subject.subject_id}-L{lesion.lesion_no}"
        for pair in lesion.conflicts:
            first, second = (read_evidence()[fact].name for fact in pair)
            found.append(
                make_finding(
                    "protocol",
                    "REF_CONTRADICTED",
                    subject.site,
                    object_type="lesion",
                    object_id=lesion_id,
                    column=first.removeprefix("edc."),
                    expected=second.removeprefix("edc."),
                )
            )
        if lesion.state is ReferenceState.UNPROVEN:
            for fact in lesion.missing:
                found.append(
                    make_finding(
                        "protocol",
                        "REF_UNPROVEN",
                        subject.site,
                        object_type="lesion",
                        object_id=lesion_id,
                        column=read_evidence()[fact].name.removeprefix("edc."),
                    )
                )
    return found


def _about_adjudications(subject: SubjectRecord, reference: SubjectReference) -> list[Finding]:
    """Return a finding for each lesion of which adjudications do not count, by reason."""
    known = {lesion.lesion_no for lesion in reference.lesions}
    problems = {
        (lesion.lesion_no, rule)
        for lesion in reference.lesions
        for rule in lesion.adjudication_problems
    }
    named = {row.number("lesion_no") for row in subject.form("adjudication")}
    problems |= {
        (int(number), "REF_ADJUDICATION_NO_LESION")
        for number in named
        if number is not None and number not in known
    }
    return [
        make_finding(
            "protocol",
            rule,
            subject.site,
            object_type="lesion",
            object_id=f"{subject.subject_id}-L{lesion_no}",
            column="adjudication.evidence_digest",
        )
        for lesion_no, rule in sorted(problems, key=str)
    ]


def _about_demographics(subject: SubjectRecord) -> Iterator[_Problem]:
    if subject.demographics is None:
        yield "ELIG_NO_DEMOGRAPHICS", "", ""
    elif subject.demographics.text("consent_status") == "waived" and (
        consent_status(subject) == "unknown"
    ):
        yield "ELIG_WAIVER_WITHOUT_DOCUMENT", "", ""
    if not subject.exams:
        yield "ELIG_NO_IMAGES", "", ""


def _before_recruitment(subject: SubjectRecord) -> Iterator[_Problem]:
    start = read_protocol().study.recruitment_start
    if any(exam.real_date is not None and exam.real_date < start for exam in subject.exams):
        yield "ELIG_BEFORE_RECRUITMENT", "", ""


def _exams_without_partner(subject: SubjectRecord) -> Iterator[_Problem]:
    """Yield exams that the EDC calls done without a day and without images, and the reverse."""
    row = subject.demographics
    for role in BASELINE_ROLES if row is not None and subject.exams else ():
        received = any(exam.role.role == role for exam in subject.exams)
        done = row.text(f"{role}_done") if row else None
        named = row is not None and row.date(f"{role}_date") is not None
        if done == "yes" and not named and not received:
            yield "ELIG_EXAM_NOT_RECEIVED", f"{role}_date", role
        if received and not named and done is None:
            yield "ELIG_EXAM_NOT_IN_EDC", f"{role}_date", role


def _follow_ups_without_partner(subject: SubjectRecord) -> Iterator[_Problem]:
    rows = [row for row in subject.form("follow_up") if row.text("image_done") != "no"]
    dates = [date for row in rows if (date := row.date("image_date")) is not None]
    days = {exam.real_date for exam in subject.exams}
    for row in rows:
        date = row.date("image_date")
        imaged = row.text("modality") in _IMAGED
        if subject.exams and imaged and date and date.exact and date.exact not in days:
            yield "ELIG_FOLLOW_UP_NOT_RECEIVED", "image_date", ""
    for exam in subject.exams:
        day = exam.real_date
        if exam.role.role == _FOLLOW_UP and day is not None:
            named = any(date.earliest <= day <= date.latest for date in dates)
            if not named:
                yield "ELIG_FOLLOW_UP_NOT_IN_EDC", "image_date", ""
