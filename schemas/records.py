"""What stages hand to each other: frozen records, no behaviour, no identifying values.

Records whose docstring says *restricted* carry identifying values and never leave the
restricted zone or the memory of a worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from schemas.features import InstanceFeatures
from schemas.identifiers import (
    BatchId,
    RawPatientId,
    Sha256,
    SiteCode,
    SopUid,
    SubjectId,
    SubjectNo,
)
from schemas.states import FileState, ReasonCode, Severity


class FileKind(StrEnum):
    """What a delivered file seems to be, before any stage has looked inside an image."""

    CONTROL = "control"
    CLINICAL = "clinical"
    IMAGE = "image"
    REFUSED = "refused"


@dataclass(frozen=True)
class DeliveredFile:
    """One file as a reader of the export sees it (restricted: the path may identify)."""

    file_no: int
    relative_path: str = field(repr=False)
    path: Path = field(repr=False)
    size_bytes: int
    sha256: Sha256
    kind: FileKind
    reason: ReasonCode | None = None


@dataclass(frozen=True)
class Delivery:
    """An export as we took it in (restricted)."""

    site: SiteCode
    batch_id: BatchId
    stat_digest: Sha256
    manifest_sha256: Sha256
    files: tuple[DeliveredFile, ...] = field(repr=False)


@dataclass(frozen=True)
class FileOutcome:
    """Where one delivered file ended: one row per file, whatever happened to it."""

    file_no: int
    state: FileState
    source_sha256: Sha256
    size_bytes: int
    reason: ReasonCode | None = None
    output_sha256: Sha256 | None = None
    pixel_sha256: Sha256 | None = None
    sop_uid: SopUid | None = None
    features: InstanceFeatures | None = None


@dataclass(frozen=True)
class SubjectAssignment:
    """Who a raw PatientID is for us, and how far this person's dates move (restricted)."""

    site: SiteCode
    subject_id: SubjectId
    subject_no: SubjectNo = field(repr=False)
    patient_ids: tuple[RawPatientId, ...] = field(repr=False)
    shift_days: int = field(repr=False)
    key_id: str = ""


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
