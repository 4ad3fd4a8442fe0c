"""Facts from forms. Where several records compete, each is a set of facts of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from schemas.clinical_rows import ClinicalRow
from schemas.partial_dates import PartialDate
from schemas.protocol import Choices
from tasks.eligibility.subjects import SubjectRecord

FactSet = dict[str, object]


def demographic_facts(subject: SubjectRecord) -> dict[str, FactSet]:
    """Return birth date (I1) and route of detection (I2)."""
    row = subject.demographics
    if row is None:
        return {"I1": {}, "I2": {}}
    return {
        "I1": {"birth": _iso(row.date("birth_date"))},
        "I2": {
            "detected_by": row.text("detected_by"),
            "detected": _iso(row.date("detected_date")),
        },
    }


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
        disagree = any(_readers_disagree(subject, exam) for exam in ("ct", "mri"))
        return {"iq_disagree": True} if disagree else {}
    return {"iq": "limited" if "limited" in ratings else "adequate"}


def inflammation_facts(subject: SubjectRecord) -> FactSet:
    """Return whether any lesion is inflammatory (E4); yes outranks not entered."""
    lesions = subject.form("diagnosis")
    answers = {_inflammatory(row) for row in lesions}
    if "yes" in answers:
        return {"inflammatory": "yes"}
    return {"inflammatory": "no"} if answers == {"no"} else {}


def _inflammatory(row: ClinicalRow) -> str | None:
    if row.text("reference_class") == "inflammatory":
        return "yes"
    return row.text("inflammatory")


def _concerns_liver(row: ClinicalRow, *, systemic: bool = True) -> bool:
    return row.text("target") != "extrahepatic" or (systemic and row.text("type") == "systemic")


def _exam_rating(subject: SubjectRecord, exam: str) -> str | None:
    rows = _ratings(subject, exam)
    settled = [row for row in rows if row.text("adjudication") == "yes"]
    if settled:
        return settled[-1].text("rating")
    return _agreed(_latest_of_each_reader(rows))


def _readers_disagree(subject: SubjectRecord, exam: str) -> bool:
    rows = _ratings(subject, exam)
    said = _latest_of_each_reader(rows)
    settled = any(row.text("adjudication") == "yes" for row in rows)
    return not settled and "inadequate" in said and len(said) > 1


def _ratings(subject: SubjectRecord, exam: str) -> list[ClinicalRow]:
    """Return the ratings of an exam that decide: made on the full series, oldest first."""
    return sorted(
        (
            row
            for row in subject.form("image_quality")
            if row.text("exam") == exam
            and row.text("viewed") == "full_series"
            and row.text("rating")
        ),
        key=rated_in_order,
    )


def _latest_of_each_reader(rows: Sequence[ClinicalRow]) -> set[str | None]:
    return set({row.text("rater_id"): row.text("rating") for row in rows}.values())


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
