"""What the report is built from: the tables of a release and the accounts around them.

A table that lacks a column the report reads is refused by name, so a page never shows an
empty column as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, TypeVar

import pyarrow as pa

from schemas.conformity import ConformityRow
from schemas.errors import BadInputError
from schemas.records import Finding, QueryRow
from schemas.verification_counts import FieldCounts
from tasks.report.tables import (
    CriterionRow,
    EligibilityRow,
    FlowRow,
    FollowUpRow,
    LesionRow,
    PathologyRow,
    QualityRow,
    SeriesRow,
    SiteRow,
    StudyRow,
    SubjectRow,
    TreatmentRow,
    VolumePictures,
    VolumeRow,
)

REGISTERED_POPULATION = 3000  # ChiCTR2500107646@V1.0, target condition


@dataclass(frozen=True)
class BatchAccount:
    """Where the files of one committed batch ended; `reasons` splits the quarantined ones."""

    site_code: str
    batch_id: str
    n_files: int
    counts: Mapping[str, int]
    reasons: Mapping[str, int] = field(default_factory=dict)
    edc_export_as_of: date | None = None


@dataclass(frozen=True)
class Decision:
    """One row of the decision register; `decided_by` is empty until somebody signs."""

    decision_id: str
    criterion: str
    question: str
    option_chosen: str
    decided_by: str


@dataclass(frozen=True)
class PreviousRelease:
    """The release before this one, to say what changed."""

    version: str
    tables: Mapping[str, pa.Table]


@dataclass(frozen=True)
class ColumnLine:
    """One line of the data dictionary."""

    table: str
    column: str
    type: str
    unit: str
    nullable: str
    description_en: str
    description_zh: str


@dataclass(frozen=True)
class ReleaseDocuments:
    """Texts of the release folder, as they stand in it."""

    changelog: str
    queries_sql: str
    dictionary: tuple[ColumnLine, ...]
    checksums: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class EvaluationInput:
    """An evaluation as it lies beside the release: its name, and the rows of its tables."""

    name: str
    tables: Mapping[str, tuple[Mapping[str, Any], ...]]


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """Everything a report shows; no identifier, no clock value, no path of a machine.

    Parameters
    ----------
    run : str
        Name of the report folder; the only part that differs between two equal builds.
    release : str or None
        Version of the release; None when a gate stopped it.
    tables : mapping of str to pyarrow.Table
        The published tables by name.
    batches : tuple of BatchAccount
        Every committed batch.
    findings : tuple of Finding
        All findings that stand.
    decisions : tuple of Decision
        The decision register, signed and unsigned.
    active_sites : tuple of str
        Codes of the sites with a configuration.
    versions : mapping of str to str
        What ran: software, protocol, mapping and contract versions.
    release_files : tuple of str
        Files of the release folder worth a link, relative to it, as they exist.
    previous : PreviousRelease, optional
        Absent for the first release.
    limits : mapping of str to float
        Windows of the protocol: `mri_window_days`, `pathology_window_days`, `follow_up_months`.
    evidence : mapping of str to (str, str)
        What a missing fact is called, English and Chinese.
    reasons : mapping of str to (str, str)
        What a reason code of a criterion says, English and Chinese.
    pictures : mapping of str to VolumePictures
        Pictures by sub-stack digest; a volume without any is said to have none.
    documents : ReleaseDocuments, optional
        What the release page quotes.
    queries : tuple of QueryRow
        Queries to sites.
    since : mapping of str to str
        The release since which a finding stands without a break, by finding id.
    verification : tuple of FieldCounts
        What comparing entries with source documents found so far.
    evaluations : tuple of EvaluationInput
        Runs and reader studies that were judged on this release.
    enrolled_by_month : mapping of str to int
        Persons enrolled in each real month, over all sites.
    conformity : tuple of ConformityRow
        What a DICOM validator said of one object of each series.
    """

    run: str
    release: str | None
    tables: Mapping[str, pa.Table]
    batches: tuple[BatchAccount, ...]
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]
    active_sites: tuple[str, ...]
    versions: Mapping[str, str]
    release_files: tuple[str, ...] = ()
    previous: PreviousRelease | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    reasons: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    pictures: Mapping[str, VolumePictures] = field(default_factory=dict)
    documents: ReleaseDocuments | None = None
    queries: tuple[QueryRow, ...] = ()
    since: Mapping[str, str] = field(default_factory=dict)
    verification: tuple[FieldCounts, ...] = ()
    evaluations: tuple[EvaluationInput, ...] = ()
    enrolled_by_month: Mapping[str, int] = field(default_factory=dict)
    conformity: tuple[ConformityRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """The rows of the tables the report reads, and the names of tables that are not there."""

    sites: tuple[SiteRow, ...]
    subjects: tuple[SubjectRow, ...]
    studies: tuple[StudyRow, ...]
    series: tuple[SeriesRow, ...]
    criteria: tuple[CriterionRow, ...]
    eligibility: tuple[EligibilityRow, ...]
    flow: tuple[FlowRow, ...]
    volumes: tuple[VolumeRow, ...]
    pathology: tuple[PathologyRow, ...]
    follow_up: tuple[FollowUpRow, ...]
    treatment: tuple[TreatmentRow, ...]
    lesions: tuple[LesionRow, ...]
    ratings: tuple[QualityRow, ...]
    absent_tables: tuple[str, ...]


ROW_OF_TABLE: dict[str, type[Any]] = {
    "site": SiteRow,
    "subject": SubjectRow,
    "imaging_study": StudyRow,
    "series": SeriesRow,
    "criterion_result": CriterionRow,
    "eligibility": EligibilityRow,
    "stard_flow": FlowRow,
    "nifti_volume": VolumeRow,
    "pathology": PathologyRow,
    "follow_up": FollowUpRow,
    "treatment": TreatmentRow,
    "lesion": LesionRow,
    "image_quality": QualityRow,
}

_Row = TypeVar("_Row")


def read_cohort(tables: Mapping[str, pa.Table]) -> Cohort:
    """Return the typed rows of the tables the report shows.

    Raises
    ------
    BadInputError
        If a table that is there lacks a column the report reads.
    """
    return Cohort(
        sites=_rows(tables, "site", SiteRow),
        subjects=_rows(tables, "subject", SubjectRow),
        studies=_rows(tables, "imaging_study", StudyRow),
        series=_rows(tables, "series", SeriesRow),
        criteria=_rows(tables, "criterion_result", CriterionRow),
        eligibility=_rows(tables, "eligibility", EligibilityRow),
        flow=_rows(tables, "stard_flow", FlowRow),
        volumes=_rows(tables, "nifti_volume", VolumeRow),
        pathology=_rows(tables, "pathology", PathologyRow),
        follow_up=_rows(tables, "follow_up", FollowUpRow),
        treatment=_rows(tables, "treatment", TreatmentRow),
        lesions=_rows(tables, "lesion", LesionRow),
        ratings=_rows(tables, "image_quality", QualityRow),
        absent_tables=tuple(name for name in ROW_OF_TABLE if name not in tables),
    )


def columns_read(table: str) -> tuple[str, ...]:
    """Return the columns of a published table that the report reads."""
    return tuple(column.name for column in fields(ROW_OF_TABLE[table]))


def _rows(tables: Mapping[str, pa.Table], name: str, kind: type[_Row]) -> tuple[_Row, ...]:
    table = tables.get(name)
    if table is None:
        return ()
    wanted = columns_read(name)
    lacking = sorted(set(wanted) - set(table.column_names))
    if lacking:
        raise BadInputError(
            f"columns {', '.join(lacking)} are missing",
            where=f"table {name}",
            expected="the columns of its data contract",
            hint="Build the release with the same version of the software as the report.",
        )
    return tuple(
        kind(**{column: _frozen(value) for column, value in row.items()})
        for row in table.select(list(wanted)).to_pylist()
    )


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
