"""The rows of the published tables that the report reads, one class per table.

The fields of each class are the columns read; a table that lacks one is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class SiteRow:
    """One hospital of the site table."""

    site_code: str
    name_en: str
    name_zh: str
    registration_status: str


@dataclass(frozen=True)
class SubjectRow:
    """One subject of the release."""

    subject_id: str
    site_code: str
    sex: str | None
    age_years: float | None
    ascertainment: str | None
    detected_by: str | None


@dataclass(frozen=True)
class StudyRow:
    """One exam and its role in the protocol."""

    study_uid: str
    subject_id: str
    modality: str
    role: str
    study_date_shifted: date | None
    days_from_baseline_ct: int | None
    manufacturer: str | None
    model: str | None
    field_strength_t: float | None
    contrast_agent_class: str | None


@dataclass(frozen=True)
class SeriesRow:
    """One sub-stack with its label and its slice thickness against the limit.

    Positions in mm are comparable between series of one `frame_of_reference_uid` alone.
    """

    series_uid: str
    sub_stack_digest: str
    study_uid: str
    subject_id: str
    label: str
    label_tier: str
    weighting: str
    orientation: str | None
    conversion_verdict: str
    conversion_codes: tuple[str, ...]
    n_slices: int | None
    acquisition_time_offset_seconds: float | None
    batch_id: str
    n_missing_slices: int | None
    slice_thickness_mm: float | None
    thickness_limit_mm: float | None
    thickness_verdict: str | None
    frame_of_reference_uid: str | None


@dataclass(frozen=True)
class CriterionRow:
    """One criterion of one subject under one reading."""

    subject_id: str
    criterion_id: str
    reading: str
    status: str
    effect: str
    observed_value: str | None
    threshold: str | None
    reason_code: str | None
    missing_evidence: tuple[str, ...]


@dataclass(frozen=True)
class EligibilityRow:
    """The verdict on one subject under one reading."""

    subject_id: str
    reading: str
    status: str
    first_failing_criterion: str | None
    all_undetermined: tuple[str, ...]


@dataclass(frozen=True)
class FlowRow:
    """One node of the STARD flow."""

    reading: str
    site_code: str
    node_id: str
    parent_id: str | None
    node_order: int
    label_en: str
    label_zh: str
    n: int


@dataclass(frozen=True)
class VolumeRow:
    """One NIfTI volume of the release; `sha256` is that of its file."""

    volume_id: str
    series_uid: str
    sub_stack_digest: str
    subject_id: str
    rel_path: str
    sha256: str
    dim_z: int
    n_volumes: int


@dataclass(frozen=True)
class PathologyRow:
    """One specimen."""

    subject_id: str
    lesion_id: str | None
    specimen_date_shifted: date | None
    report_date_shifted: date | None
    procedure: str | None
    diagnosis_code: str | None


@dataclass(frozen=True)
class FollowUpRow:
    """One follow-up image."""

    subject_id: str
    image_date_shifted: date | None
    modality: str | None
    conclusion: str | None
    followup_status: str | None


@dataclass(frozen=True)
class TreatmentRow:
    """One treatment."""

    subject_id: str
    type: str | None
    start_date_shifted: date | None
    target: str | None


@dataclass(frozen=True)
class LesionRow:
    """One lesion and its reference."""

    subject_id: str
    lesion_no: int
    segment: str | None
    diameter_mm: float | None
    reference_class: str | None
    reference_route: str | None


@dataclass(frozen=True)
class QualityRow:
    """One rating of one exam by one reader."""

    subject_id: str
    exam: str
    rating: str | None
    reasons: tuple[str, ...]
    viewed: str | None
    rater_id: str | None


@dataclass(frozen=True)
class VolumePictures:
    """Names of the pictures of one volume below `img/`, and the size of one slice, pixels.

    `volume` is the script that hands over the reduced volume; empty where there is none.
    `levels` says how those of the mosaic were found: below the `lung`, or by place in the `stack`.
    """

    mosaic: str
    sheets: tuple[str, ...]
    n_frames: int
    width: int
    height: int
    volume: str = ""
    levels: str = "stack"

    @property
    def names(self) -> tuple[str, ...]:
        """All pictures, and the reduced volume."""
        return (self.mosaic, *self.sheets, *([self.volume] if self.volume else []))
