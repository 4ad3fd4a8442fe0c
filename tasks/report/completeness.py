"""Which phases of which exam a site has delivered, and how thick the slices are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from schemas.states import Verdict
from tasks.report.tables import SeriesRow, StudyRow, SubjectRow

MRI_ROLES = ("dce_mri", "eob_mri")


@dataclass(frozen=True)
class Slot:
    """One column of the matrix: any of these labels in an exam of one of these roles."""

    exam: str
    title: str
    roles: tuple[str, ...]
    labels: tuple[str, ...]


# The phases the protocol asks for (I3, I4), in the order a reader meets them in an exam.
SLOTS: tuple[Slot, ...] = (
    Slot("baseline_ct", "NC", ("baseline_ct",), ("CT_NC",)),
    Slot("baseline_ct", "ART", ("baseline_ct",), ("CT_ART",)),
    Slot("baseline_ct", "PVP", ("baseline_ct",), ("CT_PVP",)),
    Slot("baseline_ct", "DEL", ("baseline_ct",), ("CT_DEL",)),
    Slot("dce_mri", "PRE", ("dce_mri",), ("MR_T1_PRE",)),
    Slot("dce_mri", "ART", ("dce_mri",), ("MR_T1_ART",)),
    Slot("dce_mri", "PVP", ("dce_mri",), ("MR_T1_PVP",)),
    Slot("dce_mri", "DEL", ("dce_mri",), ("MR_T1_DEL",)),
    Slot("eob_mri", "PRE", ("eob_mri",), ("MR_T1_PRE",)),
    Slot("eob_mri", "ART", ("eob_mri",), ("MR_T1_ART",)),
    Slot("eob_mri", "PVP", ("eob_mri",), ("MR_T1_PVP",)),
    Slot("eob_mri", "TRANS", ("eob_mri",), ("MR_T1_TRANS",)),
    Slot("eob_mri", "HBP", ("eob_mri",), ("MR_T1_HBP",)),
    Slot("any_mri", "T2", MRI_ROLES, ("MR_T2", "MR_T2_FS")),
    Slot("any_mri", "DWI", MRI_ROLES, ("MR_DWI",)),
)

# What a cell says, best first: the best series of a slot counts (protocol I4d, I4e).
CELL_STATES = ("ok", "unknown", "gaps", "thick", "absent")


@dataclass(frozen=True)
class MatrixRow:
    """One subject and the state of every slot."""

    subject_id: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class SlotTotal:
    """How many subjects have a usable series in a slot."""

    slot: Slot
    received: int
    expected: int


def complete_matrix(
    subjects: Iterable[SubjectRow], studies: Iterable[StudyRow], series: Iterable[SeriesRow]
) -> tuple[MatrixRow, ...]:
    """Return one row per subject, in the order of `SLOTS`, subjects sorted."""
    exam_of = {study.study_uid: (study.subject_id, study.role) for study in studies}
    by_label: dict[tuple[str, str, str], list[SeriesRow]] = {}
    for one in series:
        if one.study_uid in exam_of:
            subject_id, role = exam_of[one.study_uid]
            by_label.setdefault((subject_id, role, one.label), []).append(one)
    return tuple(
        MatrixRow(subject_id, tuple(_cell(by_label, subject_id, slot) for slot in SLOTS))
        for subject_id in sorted(subject.subject_id for subject in subjects)
    )


def _cell(
    by_label: dict[tuple[str, str, str], list[SeriesRow]], subject_id: str, slot: Slot
) -> str:
    states = [
        series_state(one)
        for role in slot.roles
        for label in slot.labels
        for one in by_label.get((subject_id, role, label), [])
    ]
    return min(states, key=CELL_STATES.index, default="absent")


def series_state(series: SeriesRow) -> str:
    """Return what the matrix says of one series: ok, unknown, gaps or thick."""
    if series.thickness_verdict == Verdict.NOT_MET:
        return "thick"
    if series.n_missing_slices or series.conversion_verdict == "QUARANTINE":
        return "gaps"
    if series.thickness_limit_mm is not None and series.thickness_verdict != Verdict.MET:
        return "unknown"
    return "ok"


def total_slots(rows: Sequence[MatrixRow]) -> tuple[SlotTotal, ...]:
    """Return received and expected per slot; every subject is expected in every slot."""
    return tuple(
        SlotTotal(slot, sum(row.cells[column] != "absent" for row in rows), len(rows))
        for column, slot in enumerate(SLOTS)
    )


@dataclass(frozen=True)
class ThicknessRow:
    """Slice thickness of the series under one limit."""

    weighting: str
    limit_mm: float
    n: int
    within: int
    above: int
    unknown: int
    median_mm: float | None
    largest_mm: float | None
    values_mm: tuple[float, ...]


def tabulate_thickness(series: Iterable[SeriesRow]) -> tuple[ThicknessRow, ...]:
    """Return one row per weighting and limit; series without a limit are left out."""
    groups: dict[tuple[str, float], list[SeriesRow]] = {}
    for one in series:
        if one.thickness_limit_mm is not None:
            groups.setdefault((one.weighting, one.thickness_limit_mm), []).append(one)
    return tuple(_thickness_row(*key, groups[key]) for key in sorted(groups))


def _thickness_row(weighting: str, limit_mm: float, members: Sequence[SeriesRow]) -> ThicknessRow:
    values = sorted(one.slice_thickness_mm for one in members if one.slice_thickness_mm is not None)
    within = sum(one.thickness_verdict == Verdict.MET for one in members)
    above = sum(one.thickness_verdict == Verdict.NOT_MET for one in members)
    return ThicknessRow(
        weighting=weighting,
        limit_mm=limit_mm,
        n=len(members),
        within=within,
        above=above,
        unknown=len(members) - within - above,
        median_mm=median(values) if values else None,
        largest_mm=values[-1] if values else None,
        values_mm=tuple(values),
    )
