"""Forms as a site types them, for the tests of the intake."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from schemas.identifiers import SiteCode
from schemas.records import Finding
from schemas.run.atomic_files import sha256_of_bytes
from tasks.clinical.form_contracts import read_form_contracts
from tasks.clinical.form_rows import ClinicalIntake, FormRows
from tasks.clinical.intake import read_form

SITE = SiteCode("S91")
AS_OF = "# export_as_of: 2026-11-20\r\n"

ROWS: dict[str, dict[str, str]] = {
    "demographics": {
        "subject_no": "LC-0001",
        "sex": "M",
        "birth_date": "1966-02",
        "consent_status": "consented",
        "consent_document": "ICF-1",
        "consent_date": "2025-03-01",
        "ascertainment": "prospective",
        "detected_by": "US",
        "detected_date": "2025-02-20",
        "baseline_ct_done": "yes",
        "baseline_ct_date": "2025-03-06",
        "dce_mri_done": "yes",
        "dce_mri_date": "2025-03-08",
        "eob_mri_done": "yes",
        "eob_mri_date": "2025-03-10",
    },
    "screening_log": {
        "screening_no": "SCR-001",
        "screened_on": "2025-03-02",
        "enrolled": "yes",
        "subject_no": "LC-0001",
        "reason_not_enrolled": "NA",
    },
    "pathology": {
        "subject_no": "LC-0001",
        "specimen_no": "1",
        "pathology_done": "yes",
        "lesion_no": "1",
        "specimen_date": "2025-03-20",
        "report_date": "2025-03-26",
        "procedure": "resection",
        "diagnosis_code": "HCC",
        "verbatim": "镜下见肝细胞癌",
    },
    "follow_up": {
        "subject_no": "LC-0001",
        "followup_no": "1",
        "image_done": "yes",
        "image_date": "2025-07-01",
        "modality": "MR",
        "conclusion": "benign_stable",
        "followup_status": "complete",
    },
    "treatment": {
        "subject_no": "LC-0001",
        "treatment_no": "0",
        "prior_treatment": "no",
        "type": "NA",
        "start_date": "NA",
        "target": "NA",
    },
    "diagnosis": {
        "subject_no": "LC-0001",
        "lesion_no": "1",
        "segment": "VI",
        "diameter_mm": "23.5",
        "reference_class": "HCC",
        "reference_route": "pathology",
        "inflammatory": "no",
    },
    "image_quality": {
        "subject_no": "LC-0001",
        "exam": "ct",
        "rating": "adequate",
        "viewed": "full_series",
        "rater_id": "R01",
        "rated_on": "2025-03-30",
    },
    "adjudication": {
        "subject_no": "LC-0001",
        "lesion_no": "1",
        "reader_id": "R01",
        "role": "reader",
        "reference_class": "HCC",
        "decided_on": "2025-06-30",
        "evidence_digest": "EV-0123456789abcdef",
    },
}


def form_row(form: str, **changes: str) -> dict[str, str]:
    """Return the plain row of a form with some values changed; a misspelt field is refused."""
    unknown = set(changes) - {field.name for field in read_form_contracts()[form].fields}
    assert not unknown, unknown
    return ROWS[form] | changes


def form_text(
    form: str, rows: Sequence[Mapping[str, str]], *, as_of: str = AS_OF, more: Sequence[str] = ()
) -> str:
    """Return a form as CSV with Chinese headings; `more` are further headings, left empty."""
    fields = read_form_contracts()[form].fields
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow([field.header.zh for field in fields] + list(more))
    for row in rows:
        writer.writerow([row.get(field.name, "") for field in fields] + [""] * len(more))
    return as_of + stream.getvalue()


def read_text(form: str, text: str) -> tuple[FormRows, list[Finding]]:
    """Read the text of a form as a file of site S91."""
    data = text.encode()
    return read_bytes(f"{form}.csv", data)


def read_bytes(file_name: str, data: bytes) -> tuple[FormRows, list[Finding]]:
    """Read the bytes of a form as a file of site S91."""
    form = read_form(file_name, data, site=SITE, file_no=1, source_sha256=sha256_of_bytes(data))
    return form, list(form.findings)


def read_rows(form: str, *rows: Mapping[str, str]) -> tuple[FormRows, list[Finding]]:
    """Read rows of a form as a file of site S91."""
    return read_text(form, form_text(form, rows))


def intake_of(*forms: FormRows) -> ClinicalIntake:
    """Return an intake of these forms."""
    return ClinicalIntake(tuple(forms))
