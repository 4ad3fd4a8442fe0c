"""Reference standard of each lesion and of the subject: route, acceptance, and what conflicts."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.clinical_rows import ClinicalRow
from schemas.partial_dates import PartialDate, days_between
from schemas.protocol import read_protocol
from tasks.eligibility.clinical_facts import is_accepted, lesion_diagnosis
from tasks.eligibility.imaging_facts import BaselineExams
from tasks.eligibility.subjects import SubjectRecord

_PATHOLOGY, _FOLLOW_UP = "pathology", "followup"


def patient_reference(subject: SubjectRecord) -> str:
    """Return malignant if any lesion is accepted as malignant, else what holds for all.

    An unaccepted route leaves a lesion indeterminate; one pending lesion leaves the patient
    pending.
    """
    lesions = subject.form("diagnosis")
    accepted = {lesion_diagnosis(row) if is_accepted(row) else None for row in lesions}
    if "malignant" in accepted:
        return "malignant"
    if not lesions or any(lesion_diagnosis(row) is None for row in lesions):
        return "pending"
    return "benign" if accepted == {"benign"} else "indeterminate"


def patient_route(subject: SubjectRecord) -> str:
    """Return the route behind the patient's label: that of the lesions that carry it."""
    label = patient_reference(subject)
    routes = {
        row.text("reference_route")
        for row in subject.form("diagnosis")
        if is_accepted(row) and lesion_diagnosis(row) == label
    }
    return _PATHOLOGY if _PATHOLOGY in routes else next(iter(sorted(filter(None, routes))), "none")


def is_partially_verified(subject: SubjectRecord) -> bool:
    """Return whether some lesions have an accepted reference and others have none."""
    accepted = {is_accepted(row) for row in subject.form("diagnosis")}
    return accepted == {True, False}


def reference_flags(
    subject: SubjectRecord, lesion: ClinicalRow, baseline: BaselineExams
) -> list[str]:
    """Return what a reader of this lesion's reference must know, sorted."""
    return sorted({*_route_flags(lesion), *_record_flags(subject, lesion, baseline)})


def _route_flags(lesion: ClinicalRow) -> Iterator[str]:
    diagnosis, route = lesion_diagnosis(lesion), lesion.text("reference_route")
    if (diagnosis, route) == ("benign", _PATHOLOGY):
        yield "benign_by_pathology"
    if diagnosis in ("malignant", "benign") and not is_accepted(lesion):
        yield "route_not_accepted"


def _record_flags(
    subject: SubjectRecord, lesion: ClinicalRow, baseline: BaselineExams
) -> Iterator[str]:
    specimens = [row for row in _about(subject, "pathology", lesion) if _is_done(row)]
    images = [row for row in _about(subject, "follow_up", lesion) if row.date("image_date")]
    route = lesion.text("reference_route")
    if (route == _PATHOLOGY and not specimens) or (route == _FOLLOW_UP and not images):
        yield "no_record_of_route"
    if route == _PATHOLOGY and specimens and _all_late(specimens, baseline):
        yield "late_pathology"
    diagnosis = lesion_diagnosis(lesion)
    said = {_diagnosis_of(row) for row in specimens} - {None}
    if diagnosis is not None and said - {diagnosis}:
        yield "pathology_differs"
    if diagnosis == "benign" and any(row.text("conclusion") == "progressed" for row in images):
        yield "follow_up_differs"


def _about(subject: SubjectRecord, form: str, lesion: ClinicalRow) -> list[ClinicalRow]:
    """Return the rows about a lesion; one that names none is about all."""
    number = lesion.number("lesion_no")
    return [row for row in subject.form(form) if row.number("lesion_no") in (None, number)]


def _is_done(row: ClinicalRow) -> bool:
    return row.text("pathology_done") == "yes"


def _all_late(specimens: list[ClinicalRow], baseline: BaselineExams) -> bool:
    """Return whether every specimen surely lies after the window of pathology."""
    mri = baseline.baseline_mri
    if mri is None:
        return False
    window = int(read_protocol().limit("pathology_window_days"))
    dates = [row.date("specimen_date") for row in specimens]
    return all(
        date is not None and days_between(PartialDate.of(mri), date)[0] > window for date in dates
    )


def _diagnosis_of(specimen: ClinicalRow) -> str | None:
    code, protocol = specimen.text("diagnosis_code"), read_protocol()
    if code in protocol.malignant_classes:
        return "malignant"
    return "benign" if code in protocol.benign_classes else None
