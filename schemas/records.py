"""What stages hand to each other: frozen records, no behaviour, no identifying values.

Records whose docstring says *restricted* carry identifying values and never leave the
restricted zone or the memory of a worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import (
    BatchId,
    RawPatientId,
    Sha256,
    SiteCode,
    SopUid,
    SubjectId,
    SubjectNo,
)
from schemas.run.file_stamps import Stamp
from schemas.states import FileState, ReasonCode, Severity, Verdict


class FileKind(StrEnum):
    """What a delivered file seems to be, before any stage has looked inside an image."""

    CONTROL = "control"
    CLINICAL = "clinical"
    IMAGE = "image"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """One file as a reader of the export sees it (restricted: the path may identify).

    `place` is its path as text: a `Path` takes five times as much, and a delivery has many.
    """

    file_no: int
    relative_path: str = field(repr=False)
    place: str = field(repr=False)
    size_bytes: int
    sha256: Sha256
    kind: FileKind
    reason: ReasonCode | None = None
    #: The directory entry that it was hashed under; None where it has to be hashed again.
    stamp: Stamp | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.place)


@dataclass(frozen=True)
class Delivery:
    """An export as we took it in (restricted).

    `absent_paths` are those that its manifest lists and that are not there. `taken_again` says
    that it is no export: decided files, out of the quarantine.
    """

    site: SiteCode
    batch_id: BatchId
    stat_digest: Sha256
    manifest_sha256: Sha256
    files: tuple[DeliveredFile, ...] = field(repr=False)
    absent_paths: tuple[str, ...] = field(default=(), repr=False)
    taken_again: bool = False


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """Where one delivered file ended: one row per file, whatever happened to it.

    Of an image, UIDs and pseudonym are given as far as its header told them, also of one that
    was set aside: that is how a site learns which exam lacks what. `detail` says what was
    seen, by name of attribute or in words and never by a value: of a file set aside, and of an
    accepted one what it lost that decides something. `facts` are of an accepted one.
    """

    file_no: int
    state: FileState
    source_sha256: Sha256
    size_bytes: int
    reason: ReasonCode | None = None
    detail: str | None = None
    output_sha256: Sha256 | None = None
    pixel_sha256: Sha256 | None = None
    sop_uid: SopUid | None = None
    study_uid: str | None = None
    subject_id: str | None = None
    features: InstanceFeatures | None = None
    facts: DeliveredFacts | None = None


#: Fields of an outcome that have a table of their own, a row per instance.
ABOUT_INSTANCE = ("features", "facts")


@dataclass(frozen=True)
class SubjectAssignment:
    """Who a raw PatientID is for us, and how far this person's dates move (restricted)."""

    site: SiteCode
    subject_id: SubjectId
    subject_no: SubjectNo = field(repr=False)
    patient_ids: tuple[RawPatientId, ...] = field(repr=False)
    shift_days: int = field(repr=False)
    key_id: str = ""


#: Object of a finding about an exam of which perhaps nothing was taken in: `<subject>/<study>`.
DELIVERED_STUDY = "delivered_study"


@dataclass(frozen=True)
class Finding:
    """One problem, named by rule and object, told to whoever can mend it."""

    finding_id: str
    rule_id: str
    severity: Severity
    site_code: str
    object_type: str
    object_id: str
    column_name: str
    observed: str
    expected: str
    message_en: str
    message_zh: str
    fix_en: str
    fix_zh: str


@dataclass(frozen=True)
class QueryRow:
    """One query to a site; days count from the day it was raised."""

    query_id: str
    site_code: str
    rule_id: str
    status: str
    age_days: int | None
    days_to_close: int | None


@dataclass(frozen=True, kw_only=True)
class SeriesLabel:
    """What harmonisation says of one sub-stack: label, evidence, geometry, thickness."""

    subject_id: str | None
    study_uid: str | None
    series_uid: str
    sub_stack_digest: str
    modality: str | None
    label: str
    contrast_phase: str | None
    label_tier: str
    label_evidence: tuple[str, ...]
    mapping_version: str
    weighting: str
    agent_class: str
    orientation: str
    n_slices: int
    n_missing_slices: int
    slice_thickness_mm: float | None
    spacing_between_slices_mm: float | None
    slice_gap_mm: float | None
    thickness_limit_mm: float | None
    thickness_verdict: Verdict | None
    field_strength_t: float | None
    required_for_protocol: bool
    acquisition_time_offset_s: float | None
    kernel_class: str | None = None
    energy: str | None = None
    # Original, axial, of a soft-tissue kernel and a whole spectrum: may fill a slot.
    is_diagnostic: bool = False


@dataclass(frozen=True, kw_only=True)
class StudyRole:
    """What harmonisation says of one study: which exam of the protocol it is, and why.

    `study_date` is the day of acquisition, read from the attribute `date_source` names;
    `last_date` is another day on which images of it were acquired, if there is one, and
    `registered_date` is StudyDate (decision D29). All are shifted alike.
    """

    subject_id: str | None
    study_uid: str
    modality: str | None
    role: str
    role_evidence: tuple[str, ...]
    study_date: str | None
    manufacturer: str | None
    model: str | None
    field_strength_t: float | None
    contrast_agent_class: str
    date_source: str = ""
    last_date: str | None = None
    registered_date: str | None = None


@dataclass(frozen=True, kw_only=True)
class StatedExam:
    """An exam that the EDC states: its role, and the first and last day it may have been on.

    Days are YYYYMMDD, shifted as those of the images are.
    """

    subject_id: str
    role: str
    earliest: str
    latest: str


@dataclass(frozen=True, kw_only=True)
class ExamNote:
    """What the images of one study say against each other: the rule id of a finding, its study."""

    rule_id: str
    subject_id: str | None
    study_uid: str
    observed: str = ""


@dataclass(frozen=True, kw_only=True)
class CohortLabels:
    """Labels of all sub-stacks and roles of all studies, sorted by their keys.

    `notes` are what becomes a finding.
    """

    series: tuple[SeriesLabel, ...]
    studies: tuple[StudyRole, ...]
    notes: tuple[ExamNote, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VolumeRecord:
    """What became of one sub-stack in conversion: verdict, codes, proof, provenance.

    `verdict` is OK, REPAIRABLE or QUARANTINE. Without a published NIfTI the columns that
    describe one are None. `instances_at_fault` are SOPInstanceUIDs. `affine_ras` has 16
    numbers, row by row, voxel index to mm in NIfTI RAS.
    """

    subject_id: str | None
    study_uid: str | None
    series_uid: str
    sub_stack_digest: str
    verdict: str
    codes: tuple[str, ...]
    instances_at_fault: tuple[str, ...]
    split_by: tuple[str, ...]
    n_instances: int
    file_name: str | None = None
    sha256: str | None = None
    pixel_sha256: str | None = None
    dim_x: int | None = None
    dim_y: int | None = None
    dim_z: int | None = None
    n_volumes: int | None = None
    voxel_x_mm: float | None = None
    voxel_y_mm: float | None = None
    voxel_z_mm: float | None = None
    dtype: str | None = None
    orientation_code: str | None = None
    affine_ras: tuple[float, ...] = ()
    b_values: tuple[float, ...] = ()
    round_trip_ok: bool = False
    converter: str = "dcm2niix"
    converter_version: str = ""
    converter_sha256: str = ""
    converter_flags: str = ""
    exit_code: int | None = None
