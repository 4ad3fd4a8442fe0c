"""Rows of the published clinical tables: shifted dates, codes, differences in days."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable

from schemas.clinical_rows import ClinicalRow
from schemas.partial_dates import PartialDate, completed_years
from schemas.protocol import read_evidence, read_protocol
from schemas.reference import LesionReference, ReferenceState, SubjectReference
from tasks.eligibility.clinical_facts import rated_in_order
from tasks.eligibility.consent import consent_status
from tasks.eligibility.roles import NOT_ASSIGNED
from tasks.eligibility.subjects import SubjectRecord

Row = dict[str, object]


def subject_row(
    subject: SubjectRecord, ct: dt.date | None, reference: SubjectReference, batch_id: str
) -> Row:
    """Return the row of `subject`; age is that of the baseline CT, capped."""
    row = subject.demographics
    return {
        "subject_id": subject.subject_id,
        "site_code": subject.site,
        "sex": (row.text("sex") if row else None) or "U",
        "age_years": _age(row.date("birth_date") if row else None, ct),
        "ascertainment": row.text("ascertainment") if row else None,
        "detected_by": row.text("detected_by") if row else None,
        "analysis_role": NOT_ASSIGNED,
        "prior_training_exposure": (row.text("prior_training_exposure") if row else None)
        or "unknown",
        "consent_status": consent_status(subject),
        "patient_reference": reference.label,
        "patient_reference_route": reference.route,
        "patient_reference_state": reference.state.value,
        "partially_verified": reference.partially_verified,
        "batch_id": row.batch_id if row else batch_id,
        "source_sha256": row.source_sha256 if row else None,
    }


def lesion_rows(subject: SubjectRecord, reference: SubjectReference) -> list[Row]:
    """Return the rows of `lesion`; only a proven label says malignant or benign."""
    rows = []
    for row, judged in zip(_numbered(subject, "diagnosis"), reference.lesions, strict=True):
        proven = judged.state is ReferenceState.PROVEN
        known = {"malignant": True, "benign": False}.get(judged.label or "")
        rows.append(
            {
                "lesion_id": _id(row, "L", "lesion_no"),
                "subject_id": subject.subject_id,
                "lesion_no": _whole(row, "lesion_no"),
                "segment": row.text("segment") or "U",
                "diameter_mm": row.number("diameter_mm"),
                "mask_volume_id": None,
                "reference_class": judged.adjudicated_class
                or row.text("reference_class")
                or "pending",
                "malignant": known if proven else None,
                "reference_route": judged.route or "none",
                "reference_accepted": proven,
                "reference_state": judged.state.value,
                "reference_proof": [one.record_id for one in judged.proof],
                "reference_proof_days": _days(judged),
                "reference_missing": [read_evidence()[fact].name for fact in judged.missing],
                "reference_flags": list(judged.flags),
                "lirads_category": row.text("lirads_category"),
                "nonrim_aphe": row.text("nonrim_aphe"),
                "nonperipheral_washout": row.text("nonperipheral_washout"),
                "capsule": row.text("capsule"),
                "threshold_growth": row.text("threshold_growth"),
                **_origin(row),
            }
        )
    return rows


def _days(judged: LesionReference) -> list[float]:
    """Return the days of the proving records; none while one is not known to the day."""
    days = [one.days_from_mri for one in judged.proof]
    return [] if None in days else [float(day) for day in days if day is not None]


def pathology_rows(subject: SubjectRecord) -> list[Row]:
    """Return the rows of `pathology`: specimens, not the rows that say there is none."""
    return [
        {
            "specimen_id": _id(row, "P", "specimen_no"),
            "subject_id": subject.subject_id,
            "lesion_id": _lesion_id(subject, row),
            "specimen_date_shifted": _shifted(subject, row, "specimen_date"),
            "report_date_shifted": _shifted(subject, row, "report_date"),
            "date_precision": _precision(row, "specimen_date"),
            "procedure": row.text("procedure"),
            "diagnosis_code": row.text("diagnosis_code"),
            **_origin(row),
        }
        for row in _numbered(subject, "pathology")
        if row.text("pathology_done") == "yes"
    ]


def follow_up_rows(subject: SubjectRecord, baseline_mri: dt.date | None) -> list[Row]:
    """Return the rows of `follow_up`."""
    rows = []
    for row in _numbered(subject, "follow_up"):
        image = row.date("image_date")
        day = image.exact if image else None
        rows.append(
            {
                "followup_id": _id(row, "F", "followup_no"),
                "subject_id": subject.subject_id,
                "lesion_id": _lesion_id(subject, row),
                "image_date_shifted": subject.shifted(day),
                "modality": row.text("modality"),
                "days_from_baseline_mri": (day - baseline_mri).days
                if day and baseline_mri
                else None,
                "size_change_percent": row.number("size_change_percent"),
                "conclusion": row.text("conclusion"),
                "followup_status": row.text("followup_status"),
                **_origin(row),
            }
        )
    return rows


def treatment_rows(subject: SubjectRecord) -> list[Row]:
    """Return the rows of `treatment`: treatments, not the rows that say there was none."""
    return [
        {
            "treatment_id": _id(row, "T", "treatment_no"),
            "subject_id": subject.subject_id,
            "type": row.text("type"),
            "start_date_shifted": _shifted(subject, row, "start_date"),
            "date_precision": _precision(row, "start_date"),
            "target": row.text("target"),
            **_origin(row),
        }
        for row in _numbered(subject, "treatment")
        if row.text("prior_treatment") == "yes"
    ]


def image_quality_rows(subject: SubjectRecord) -> list[Row]:
    """Return the rows of `image_quality`: ratings by people."""
    rows = []
    so_far: Counter[str | None] = Counter()
    # The order is published, no day: a reader rates many subjects in one session, and equal real
    # days would tie the shifts of all of them together.
    for row in sorted(subject.form("image_quality"), key=rated_in_order):
        exam = row.text("exam")
        so_far[exam] += 1
        rows.append(
            {
                "rating_id": f"{subject.subject_id}-Q-{exam}-{so_far[exam]}",
                "subject_id": subject.subject_id,
                "exam": exam,
                "rating": row.text("rating"),
                "reasons": sorted((row.text("reasons") or "").split()),
                "viewed": row.text("viewed"),
                "rater_id": row.text("rater_id"),
                "rater_role": "reviewer",
                "rating_no": so_far[exam],
                **_origin(row),
            }
        )
    return rows


def screening_rows(rows: Iterable[ClinicalRow]) -> list[Row]:
    """Return the rows of `screening_log`; a person never enrolled has no pseudonym there."""
    return [
        {
            "site_code": row.site,
            "screening_no": row.text("screening_no"),
            "screened_on_shifted": _shifted_by(row, row.date("screened_on")),
            "enrolled": "yes" if row.enrolled else "no",
            "subject_id": row.subject_id if row.enrolled else None,
            "reason_not_enrolled": row.text("reason_not_enrolled"),
            **_origin(row),
        }
        for row in rows
        if row.form == "screening_log"
    ]


def _age(birth: PartialDate | None, ct: dt.date | None) -> float | None:
    """Return completed years, capped; None unless every possible birth date gives the same."""
    if birth is None or ct is None:
        return None
    ages = {completed_years(birth.earliest, ct), completed_years(birth.latest, ct)}
    if len(ages) != 1 or min(ages) < 0:
        return None
    return min(float(ages.pop()), read_protocol().limit("age_years_cap"))


def _origin(row: ClinicalRow) -> Row:
    return {"batch_id": row.batch_id, "source_sha256": row.source_sha256}


#: What numbers the rows of a subject in each form.
_NUMBERS = {
    "diagnosis": "lesion_no",
    "pathology": "specimen_no",
    "follow_up": "followup_no",
    "treatment": "treatment_no",
}


def _numbered(subject: SubjectRecord, form: str) -> list[ClinicalRow]:
    """Return the rows that a table can name; one without its number counts as evidence only."""
    return [row for row in subject.form(form) if row.number(_NUMBERS[form]) is not None]


def _whole(row: ClinicalRow, name: str) -> int | None:
    number = row.number(name)
    return None if number is None else int(number)


def _id(row: ClinicalRow, letter: str, name: str) -> str:
    return f"{row.subject_id}-{letter}{_whole(row, name)}"


def _lesion_id(subject: SubjectRecord, row: ClinicalRow) -> str | None:
    """Return the lesion a row is about, when the diagnosis form has it."""
    known = {_whole(lesion, "lesion_no") for lesion in subject.form("diagnosis")}
    number = _whole(row, "lesion_no")
    return f"{row.subject_id}-L{number}" if number in known - {None} else None


def _shifted(subject: SubjectRecord, row: ClinicalRow, name: str) -> dt.date | None:
    date = row.date(name)
    return subject.shifted(date.exact if date else None)


def _shifted_by(row: ClinicalRow, date: PartialDate | None) -> dt.date | None:
    day = date.exact if date else None
    return day - dt.timedelta(days=row.shift_days) if day else None


def _precision(row: ClinicalRow, name: str) -> str | None:
    date = row.date(name)
    return date.precision if date else None
