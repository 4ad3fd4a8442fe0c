"""What one stage leaves for the next, of a night and of a release: one record per hand-over.

Each record says who leaves it and who takes it up; `Workbench.leave` and `Workbench.take` are
the only way in and out. What a stage leaves for a later step of its own lies in that stage.
Records whose docstring says *restricted* carry identifying values; all lie in the closed
scratch of the batch or of the release, and go with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from schemas.adjudication import AdjudicationCase
from schemas.clinical_rows import ClinicalRow
from schemas.conformity import ConformityRow
from schemas.dicom.features import InstanceFeatures
from schemas.handover.image_groups import ImageGroup
from schemas.identifiers import BatchId, RawPatientId, SiteCode, SubjectNo
from schemas.measurements import Acquisition, Measurement
from schemas.records import (
    CohortLabels,
    Delivery,
    FileOutcome,
    Finding,
    QueryRow,
    SubjectAssignment,
    VolumeRecord,
)
from schemas.states import ReasonCode
from schemas.tables.parted_tables import PartedTable


@dataclass(frozen=True)
class ReceivedExport:
    """receive → every stage of the night: the files of the export (restricted)."""

    delivery: Delivery = field(repr=False)


@dataclass(frozen=True)
class LinkedSubjects:
    """link → de-identify, clinical, scan: who each PatientID is (restricted).

    `resident_ids` are those of this delivery, by subject: the vault keeps them only as keyed
    tokens, and the scan must not find them in anything written.
    """

    assignments: Mapping[RawPatientId, SubjectAssignment] = field(repr=False)
    resident_ids: Mapping[SubjectNo, frozenset[str]] = field(repr=False)


@dataclass(frozen=True)
class ControlFiles:
    """link → validate, commit: where control files and refused files ended."""

    outcomes: tuple[FileOutcome, ...]


@dataclass(frozen=True)
class DeidentifiedImages:
    """de-identify → settle: where the image files ended, before the warehouse was looked at."""

    outcomes: tuple[FileOutcome, ...]


@dataclass(frozen=True)
class CheckedConformity:
    """de-identify → rows: what a validator said of one object of each series."""

    rows: tuple[ConformityRow, ...]


@dataclass(frozen=True)
class SettledImages:
    """settle → convert, harmonise, validate, scan, commit: where the image files ended.

    The scan leaves it anew when it withholds a person. `held` names instances of earlier
    batches that this one puts in doubt, by SOPInstanceUID.
    """

    outcomes: tuple[FileOutcome, ...]
    held: Mapping[str, ReasonCode]


@dataclass(frozen=True)
class ConvertedVolumes:
    """convert → rows, scan, commit; the scan leaves it anew when it withholds a person."""

    volumes: tuple[VolumeRecord, ...]


@dataclass(frozen=True)
class LabelledExams:
    """harmonise → rows, validate: exams that got new instances, whole, and their labels."""

    instances: tuple[InstanceFeatures, ...]
    labels: CohortLabels


@dataclass(frozen=True)
class MeasuredExams:
    """measure → commit: what was measured of the exams that got new instances, whole."""

    measurements: tuple[Measurement, ...]
    acquisitions: tuple[Acquisition, ...]


@dataclass(frozen=True)
class PublishableRows:
    """rows → validate, queries: the published image tables as a release would hold them."""

    tables: Mapping[str, pa.Table]


@dataclass(frozen=True)
class AuditHead:
    """scan → commit: the last link of the batch's keyed audit chain."""

    head: str


@dataclass(frozen=True)
class FormsTakenIn:
    """clinical → validate, queries, commit: where the forms ended, and what is wrong in them.

    `edc_export_as_of` is the newest export date of the forms (ISO 8601); None without forms.
    """

    outcomes: tuple[FileOutcome, ...]
    findings: tuple[Finding, ...]
    edc_export_as_of: str | None


@dataclass(frozen=True)
class RealDates:
    """clinical → scan: pseudonym → (field, YYYYMMDD), days that must not come out (restricted)."""

    of_subject: Mapping[str, list[tuple[str, str]]] = field(repr=False)


@dataclass(frozen=True)
class CheckedBatch:
    """validate → queries, commit: what was found in the batch.

    `waived` is finding id → how its query closes; `validation` is the checks' evidence as
    JSON; `rules_run` are the ids of the rules that could run.
    """

    findings: tuple[Finding, ...]
    waived: Mapping[str, str]
    validation: Mapping[str, object]
    rules_run: tuple[str, ...]


@dataclass(frozen=True)
class CommittedImages:
    """collect → label-cohort, merge-forms, validate-release: images in force, none of them here.

    `groups` are read one after another, `sexes` is what images say of each subject, and
    `in_force` gives those of some SOPInstanceUIDs that are.
    """

    groups: tuple[ImageGroup, ...]
    sexes: Mapping[str, frozenset[str]]
    in_force: Callable[[Collection[str]], frozenset[str]]


@dataclass(frozen=True)
class CommittedMeasurements:
    """collect → measure-cohort: the measurements and acquisitions of all batches, in their order.

    A table is None where no batch has it: they were committed before anything was measured.
    """

    measurements: pa.Table | None
    acquisitions: pa.Table | None


@dataclass(frozen=True)
class MeasuredCohort:
    """measure-cohort → validate-release: what measuring found besides its tables."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class CommittedNights:
    """collect → merge-forms, ratings, eligibility, validate-release: which batches there are.

    `batches` in the order of batches; `batch_of_subject` is the one that first brought an
    image of each subject; `files` gives, of one site at a time, one row per delivered file, and
    leaves out sites of which every file was taken in whole.
    """

    batches: tuple[tuple[SiteCode, BatchId], ...]
    batch_of_subject: Mapping[str, str]
    files: Callable[[], Iterator[pa.Table]]


@dataclass(frozen=True)
class LabelledCohort:
    """label-cohort → eligibility, validate-release, release-tables: labels of today's rules."""

    labels: CohortLabels
    findings: tuple[Finding, ...]
    mapping_version: str


@dataclass(frozen=True)
class MergedForms:
    """merge-forms → ratings, validate-release, publish: the form row in force of each key.

    Restricted. `key_id` names the key that the sealed forms were opened with.
    """

    rows: tuple[ClinicalRow, ...] = field(repr=False)
    findings: tuple[Finding, ...]
    key_id: str


@dataclass(frozen=True)
class RatedForms:
    """ratings → keep-out: the form rows, and the ratings made in reports beside them.

    Restricted.
    """

    rows: tuple[ClinicalRow, ...] = field(repr=False)


@dataclass(frozen=True)
class FormsInForce:
    """keep-out → eligibility: the form rows, the consent of suppressed subjects withdrawn.

    Restricted.
    """

    rows: tuple[ClinicalRow, ...] = field(repr=False)


@dataclass(frozen=True)
class HeldSubjects:
    """keep-out, publish → eligibility, publish: whom the search keeps out until it is decided."""

    subjects: frozenset[str] = frozenset()


@dataclass(frozen=True)
class EvaluatedCohort:
    """eligibility → validate-release, release-tables, publish: verdicts and shifted rows.

    `tables` are in the form of the contracts.
    """

    tables: Mapping[str, pa.Table]
    findings: tuple[Finding, ...]
    protocol_version: str


@dataclass(frozen=True)
class CasesForReaders:
    """eligibility → report: the lesions that two blinded readers may settle.

    Restricted.
    """

    cases: tuple[AdjudicationCase, ...] = field(repr=False)


@dataclass(frozen=True)
class ReleaseTables:
    """release-tables → validate-release, queries, publish: all tables but that of findings.

    `images` is the table `instance`, which is in no memory.
    """

    tables: Mapping[str, pa.Table]
    images: PartedTable


@dataclass(frozen=True)
class CheckedRelease:
    """validate-release → queries, require-passed, publish: as `CheckedBatch`, of the release."""

    findings: tuple[Finding, ...]
    waived: Mapping[str, str]
    validation: Mapping[str, object]


@dataclass(frozen=True)
class QueriesOfRelease:
    """queries → report: every query of the register."""

    rows: tuple[QueryRow, ...]
