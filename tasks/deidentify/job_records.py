"""What goes to a worker and what comes back, one record per delivered file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import Sha256, SopUid
from schemas.pixel_decisions import Question
from schemas.record_copies import Altered
from schemas.run.file_stamps import Stamp
from schemas.states import ReasonCode
from tasks.deidentify.identifiers import Identifier


@dataclass(frozen=True, slots=True)
class Job:
    """One file to de-identify (restricted: the path may identify)."""

    file_no: int
    path: str | Path = field(repr=False)
    size_bytes: int
    sha256: Sha256 | None = None
    #: Under which directory entry it had that hash; None where nobody can tell.
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of one file in a worker (restricted: days and identifiers)."""

    file_no: int
    size_bytes: int
    source_sha256: Sha256
    reason: ReasonCode | None = None
    detail: str = ""
    error: str = ""
    staged: str | None = field(default=None, repr=False)
    output_sha256: Sha256 | None = None
    pixel_sha256: Sha256 | None = None
    sop_uid: SopUid | None = None
    study_uid: str | None = None
    subject_id: str | None = None
    features: Altered[InstanceFeatures] | None = None
    facts: Altered[DeliveredFacts] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    trail: tuple[str, ...] = field(default=(), repr=False)
    options: tuple[str, ...] = ()
    settled: tuple[Question, ...] = ()
    days: tuple[tuple[date, date], ...] = field(default=(), repr=False)
    identifiers: frozenset[Identifier] = field(default=frozenset(), repr=False)
