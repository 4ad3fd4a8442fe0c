"""A subject with forms and images, plain and eligible, for the tests of the assembly."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from schemas.clinical_rows import Cell, ClinicalRow, digest_of_content
from schemas.identifiers import BatchId, Sha256, SiteCode, SubjectId, SubjectNo
from schemas.partial_dates import PartialDate
from schemas.records import CohortLabels, SeriesLabel, StudyRole
from tasks.clinical.form_contracts import read_form_contracts
from tasks.eligibility.subjects import SubjectRecord, collect_subjects

SUBJECT = "S91-AAAAAAAA"
SHIFT_DAYS = 400
CT, DCE, EOB = dt.date(2025, 3, 6), dt.date(2025, 3, 8), dt.date(2025, 3, 10)
_PLAIN: dict[str, dict[str, Cell]] = {
    "demographics": {
        "sex": "F",
        "birth_date": PartialDate(1966, 2),
        "consent_status": "consented",
        "ascertainment": "prospective",
        "detected_by": "US",
        "baseline_ct_date": PartialDate.of(CT),
        "dce_mri_date": PartialDate.of(DCE),
        "eob_mri_date": PartialDate.of(EOB),
    },
    "screening_log": {"screening_no": "SCR-X", "screened_on": PartialDate(2025, 3, 1)},
    "pathology": {
        "specimen_no": 1,
        "pathology_done": "yes",
        "lesion_no": 1,
        "specimen_date": PartialDate(2025, 3, 20),
        "procedure": "resection",
        "diagnosis_code": "HCC",
    },
    "follow_up": {
        "followup_no": 1,
        "image_done": "yes",
        "image_date": PartialDate(2025, 7, 1),
        "followup_status": "complete",
    },
    "treatment": {"treatment_no": 0, "prior_treatment": "no"},
    "diagnosis": {
        "lesion_no": 1,
        "segment": "VI",
        "reference_class": "HCC",
        "reference_route": "pathology",
        "inflammatory": "no",
    },
    "image_quality": {
        "exam": "ct",
        "rating": "adequate",
        "viewed": "full_series",
        "rater_id": "R-1",
        "rated_on": PartialDate(2025, 4, 1),
    },
    "adjudication": {
        "lesion_no": 1,
        "role": "reader",
        "reader_id": "R-1",
        "reference_class": "HCC",
        "decided_on": PartialDate(2026, 3, 1),
        "evidence_digest": "EV-0000000000000000",
    },
}


def row(form: str, **changes: Cell) -> ClinicalRow:
    """Return the plain row of a form of the plain subject with some values changed."""
    return row_for(SUBJECT, form, changes)


def row_for(
    subject: str, form: str, changes: Mapping[str, Cell] | None = None, *, enrolled: bool = True
) -> ClinicalRow:
    """Return the plain row of a form of any subject with some values changed."""
    values = _PLAIN[form] | dict(changes or {})
    names = [name for name in read_form_contracts()[form].key if name != "subject_no"]
    key = tuple(str(values[name]) for name in names)
    return ClinicalRow(
        form=form,
        site=SiteCode(subject[:3]),
        subject_no=SubjectNo("LC-1"),
        subject_id=SubjectId(subject),
        enrolled=enrolled,
        shift_days=SHIFT_DAYS,
        key=key,
        values=values,
        export_as_of=dt.date(2026, 11, 20),
        batch_id=BatchId("b1"),
        source_sha256=Sha256("0" * 64),
        content_digest=digest_of_content(form, SubjectId(subject), key, values),
    )


def plain_rows(subject: str = SUBJECT) -> list[ClinicalRow]:
    """Return the rows of an eligible subject, without a follow-up."""
    forms = ("demographics", "screening_log", "pathology", "treatment", "diagnosis")
    ratings = [row_for(subject, "image_quality", {"exam": exam}) for exam in ("ct", "mri")]
    return [*(row_for(subject, form) for form in forms), *ratings]


def study(
    role: str,
    day: dt.date,
    labels: dict[str, float | None],
    *,
    subject: str = SUBJECT,
    field_t: float | None = 3.0,
    uid: str = "",
    orientation: str = "axial",
) -> CohortLabels:
    """Return one study; `labels` are labels with their slice thickness in mm."""
    uid = uid or f"{subject}.{role}.{day:%Y%m%d}"
    modality = "CT" if role == "baseline_ct" or "CT_NC" in labels else "MR"
    shifted = (day - dt.timedelta(days=SHIFT_DAYS)).strftime("%Y%m%d")
    one = StudyRole(
        subject_id=subject,
        study_uid=uid,
        modality=modality,
        role=role,
        role_evidence=(),
        study_date=shifted,
        registered_date=shifted,
        manufacturer=None,
        model=None,
        field_strength_t=field_t if modality == "MR" else None,
        contrast_agent_class="unknown",
    )
    series = [
        SeriesLabel(
            subject_id=subject,
            study_uid=uid,
            series_uid=f"{uid}.{number}",
            sub_stack_digest=f"{number:016}",
            modality=modality,
            label=label,
            contrast_phase=None,
            label_tier="A",
            label_evidence=(),
            mapping_version="1",
            weighting="other",
            agent_class="unknown",
            orientation=orientation,
            n_slices=20,
            n_missing_slices=0,
            slice_thickness_mm=thickness,
            spacing_between_slices_mm=None,
            slice_gap_mm=None,
            thickness_limit_mm=None,
            thickness_verdict=None,
            field_strength_t=field_t,
            required_for_protocol=True,
            acquisition_time_offset_s=None,
            is_diagnostic=orientation == "axial",
        )
        for number, (label, thickness) in enumerate(labels.items())
    ]
    return CohortLabels(series=tuple(series), studies=(one,))


DYNAMIC: dict[str, float | None] = {"MR_T1_PRE": 3.0, "MR_T1_ART": 3.0, "MR_T1_PVP": 3.0}
DCE_LABELS = DYNAMIC | {"MR_T1_DEL": 3.0, "MR_T2_FS": 6.0, "MR_MRCP": 40.0}
EOB_LABELS = DYNAMIC | {"MR_T1_TRANS": 3.0, "MR_T1_HBP": 3.0, "MR_T2": 6.0}
CT_LABELS: dict[str, float | None] = {"CT_NC": 5.0, "CT_ART": 5.0, "CT_PVP": 5.0}


def join(*parts: CohortLabels) -> CohortLabels:
    """Return the labels of several studies together."""
    return CohortLabels(
        series=tuple(label for part in parts for label in part.series),
        studies=tuple(one for part in parts for one in part.studies),
    )


def plain_images(subject: str = SUBJECT) -> CohortLabels:
    """Return the three baseline exams of an eligible subject."""
    return join(
        study("baseline_ct", CT, CT_LABELS, subject=subject),
        study("dce_mri", DCE, DCE_LABELS, subject=subject),
        study("eob_mri", EOB, EOB_LABELS, subject=subject),
    )


def record(rows: list[ClinicalRow], labels: CohortLabels | None = None) -> SubjectRecord:
    """Return the one subject of these rows and images."""
    (subject,) = collect_subjects(rows, plain_images() if labels is None else labels)
    return subject
