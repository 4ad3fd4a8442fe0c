"""Facts from forms. Where several records compete, each is a set of facts of its own."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

from schemas.clinical_rows import ClinicalRow
from schemas.partial_dates import PartialDate, is_before
from schemas.states import Verdict
from tasks.eligibility.protocol import read_protocol
from tasks.eligibility.subjects import SubjectRecord
from tasks.eligibility.verdicts import Choices

FactSet = dict[str, object]


def demographic_facts(subject: SubjectRecord) -> dict[str, FactSet]:
    """Return birth date (I1) and route of detection (I2)."""
    row = subject.demographics
    if row is None:
        return {"I1": {}, "I2": {}}
    return {
        "I1": {"birth": _iso(row.date("birth_date"))},
        "I2": {"detected_by": row.text("detected_by")},
    }


def pathology_facts(subject: SubjectRecord) -> list[FactSet]:
    """Return one set for each specimen (I5a); one that says none, or nothing, if there is none."""
    rows = subject.form("pathology")
    specimens = [row for row in rows if row.text("pathology_done") == "yes"]
    if specimens:
        return [
            {
                "path_specimen": _iso(row.date("specimen_date")),
                "path_report": _iso(row.date("report_date")),
            }
            for row in specimens
        ]
    confirmed = any(row.text("pathology_done") == "no" for row in rows)
    return [{"path": "none"}] if confirmed else [{}]


def follow_up_facts(subject: SubjectRecord, ct: PartialDate | None) -> FactSet:
    """Return the last follow-up image, whether more can come, and whether treated before (I5b)."""
    rows = sorted(subject.form("follow_up"), key=lambda row: row.number("followup_no") or 0)
    if not rows:
        return {}
    images = [
        date
        for row in rows
        if row.text("image_done") != "no" and (date := row.date("image_date")) is not None
    ]
    facts: FactSet = {"fu_closed": _is_closed(rows)}
    if images:
        last = max(images, key=lambda date: (date.earliest, date.latest))
        facts |= {"fu": last.iso(), "fu_treated": _treated_between(subject, ct, last)}
    return facts


def consent_facts(subject: SubjectRecord) -> FactSet:
    """Return the day of consent (D02, D13)."""
    row = subject.demographics
    return {"consent": _iso(row.date("consent_date"))} if row else {}


def treatment_facts(subject: SubjectRecord, choices: Choices) -> list[FactSet]:
    """Return one set for each treatment of a liver lesion (E1); no record is no fact, never "no".

    D14 says whether systemic therapy counts whatever its target; other extrahepatic treatment
    does not.
    """
    systemic = choices["D14"] == "counts"
    rows = [row for row in subject.form("treatment") if _concerns_liver(row, systemic=systemic)]
    treated = [row for row in rows if row.text("prior_treatment") == "yes"]
    if treated:
        dates = [_iso(row.date("start_date")) for row in treated]
        return [{"prior_tx": "yes", "prior_tx_date": date} for date in dates]
    denied = any(row.text("prior_treatment") == "no" for row in subject.form("treatment"))
    return [{"prior_tx": "no"}] if denied else [{}]


def quality_facts(subject: SubjectRecord) -> FactSet:
    """Return the rating that decides E2: the lesion must be assessable on CT and on MRI.

    Only ratings made on the full series count; an adjudication outranks; readers who
    disagree on assessable leave it open.
    """
    ratings = [_exam_rating(subject, exam) for exam in ("ct", "mri")]
    if "inadequate" in ratings:
        return {"iq": "inadequate"}
    if None in ratings:
        return {}
    return {"iq": "limited" if "limited" in ratings else "adequate"}


def diagnosis_facts(subject: SubjectRecord) -> list[FactSet]:
    """Return one set for each lesion (E3)."""
    lesions = subject.form("diagnosis")
    return [{"dx": lesion_diagnosis(row), "route": _route(row)} for row in lesions] or [{}]


def inflammation_facts(subject: SubjectRecord) -> FactSet:
    """Return whether any lesion is inflammatory (E4); yes outranks not entered."""
    lesions = subject.form("diagnosis")
    answers = {_inflammatory(row) for row in lesions}
    if "yes" in answers:
        return {"inflammatory": "yes"}
    return {"inflammatory": "no"} if answers == {"no"} else {}


def lesion_diagnosis(row: ClinicalRow) -> str | None:
    """Return malignant, benign, indeterminate, or None while the diagnosis is pending."""
    protocol, reference = read_protocol(), row.text("reference_class")
    if reference in protocol.malignant_classes:
        return "malignant"
    if reference in protocol.benign_classes:
        return "benign"
    return "indeterminate" if reference == "indeterminate" else None


def is_accepted(row: ClinicalRow) -> bool:
    """Return whether a lesion's diagnosis was reached by a route that is accepted."""
    diagnosis = lesion_diagnosis(row)
    accepted = read_protocol().accepted_routes.get(diagnosis or "", ())
    return row.text("reference_route") in accepted


def _route(row: ClinicalRow) -> str | None:
    route = row.text("reference_route")
    return None if route == "none" else route


def _inflammatory(row: ClinicalRow) -> str | None:
    if row.text("reference_class") == "inflammatory":
        return "yes"
    return row.text("inflammatory")


def _is_closed(rows: Sequence[ClinicalRow]) -> bool:
    return rows[-1].text("followup_status") in read_protocol().closed_follow_up


def _concerns_liver(row: ClinicalRow, *, systemic: bool = True) -> bool:
    return row.text("target") != "extrahepatic" or (systemic and row.text("type") == "systemic")


def _treated_between(subject: SubjectRecord, ct: PartialDate | None, image: PartialDate) -> bool:
    """Return whether a liver lesion may have been treated after the CT and before the image."""
    starts = [
        start
        for row in subject.form("treatment")
        if _concerns_liver(row) and (start := row.date("start_date")) is not None
    ]
    return any(
        is_before(start, image) is not Verdict.NOT_MET
        and (ct is None or is_before(start, ct) is not Verdict.MET)
        for start in starts
    )


def _exam_rating(subject: SubjectRecord, exam: str) -> str | None:
    rows = [
        row
        for row in subject.form("image_quality")
        if row.text("exam") == exam and row.text("viewed") == "full_series" and row.text("rating")
    ]
    rows.sort(key=rated_in_order)
    settled = [row for row in rows if row.text("adjudication") == "yes"]
    if settled:
        return settled[-1].text("rating")
    latest: dict[str | None, str | None] = defaultdict(lambda: None)
    for row in rows:
        latest[row.text("rater_id")] = row.text("rating")
    return _agreed(set(latest.values()))


def rated_in_order(row: ClinicalRow) -> tuple[dt.date, tuple[str, ...]]:
    """Return what sorts ratings by their real day; one made in the report has none and is first."""
    rated_on = row.date("rated_on")
    return (rated_on.earliest if rated_on else dt.date.min, row.key)


def _agreed(ratings: set[str | None]) -> str | None:
    if "inadequate" in ratings:
        return "inadequate" if len(ratings) == 1 else None
    return ("limited" if "limited" in ratings else "adequate") if ratings else None


def _iso(date: PartialDate | None) -> str | None:
    return date.iso() if date else None
