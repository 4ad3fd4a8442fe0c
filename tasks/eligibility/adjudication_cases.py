"""The lesions that two blinded readers may settle, but for what the site says (restricted)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from schemas.adjudication import AdjudicationCase, CaseRecord
from schemas.clinical_rows import ClinicalRow
from schemas.partial_dates import PartialDate, days_between
from schemas.reference import SubjectReference
from tasks.eligibility.consent import consent_status
from tasks.eligibility.subjects import SubjectRecord

#: What of a record readers see, and its date. A conclusion or a diagnosis of the site is not
#: among it; what the pathologist and the ruler said is.
_SHOWN = {
    "pathology": ("specimen_date", ("procedure", "diagnosis_code")),
    "follow_up": ("image_date", ("modality", "size_change_percent")),
    "treatment": ("start_date", ("type", "target")),
}
_DONE = {"pathology": "pathology_done", "follow_up": "image_done", "treatment": "prior_treatment"}


def cases_of(
    subject: SubjectRecord, reference: SubjectReference, baseline_mri: dt.date | None
) -> Iterator[AdjudicationCase]:
    """Yield the lesions of a subject whose record contradicts itself or is incomplete.

    A person who did not consent is shown to nobody.
    """
    if consent_status(subject) not in ("consented", "waived") or subject.demographics is None:
        return
    rows = {row.number("lesion_no"): row for row in subject.form("diagnosis")}
    for lesion in reference.lesions:
        if not lesion.needs_readers or lesion.lesion_no is None:
            continue
        row = rows[float(lesion.lesion_no)]
        yield AdjudicationCase(
            site=subject.site,
            subject_id=subject.subject_id,
            subject_no=subject.demographics.subject_no,
            lesion_no=lesion.lesion_no,
            segment=row.text("segment") or "U",
            diameter_mm=row.number("diameter_mm"),
            evidence_digest=lesion.evidence_digest,
            for_chair=lesion.readers_differ,
            records=tuple(_records(subject, lesion.lesion_no, baseline_mri)),
        )


def _records(
    subject: SubjectRecord, lesion_no: int, baseline_mri: dt.date | None
) -> Iterator[CaseRecord]:
    for form, (date_name, columns) in _SHOWN.items():
        for row in subject.form(form):
            number = row.number("lesion_no")
            everywhere = number is None or row.text("procedure") == "transplant"
            if row.text(_DONE[form]) == "no" or not (everywhere or number == lesion_no):
                continue
            facts = tuple((name, said) for name in columns if (said := _said(row, name)))
            days = _days(row.date(date_name), baseline_mri)
            yield CaseRecord(form, number == lesion_no, days, facts)


def _said(row: ClinicalRow, name: str) -> str:
    number = row.number(name)
    return row.text(name) or ("" if number is None else f"{number:g}")


def _days(date: PartialDate | None, baseline_mri: dt.date | None) -> str:
    if date is None or baseline_mri is None:
        return ""
    low, high = days_between(PartialDate.of(baseline_mri), date)
    return str(low) if low == high else f"{low} … {high}"
