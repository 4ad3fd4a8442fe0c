"""The canonical labels and the time windows of contrast phases, read from their tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from schemas.errors import ContractError
from schemas.package_data import label_tables_root
from schemas.rule_tables import Cells, TableShape, parse_table, read_signed, table_name

UNCLASSIFIED = "UNCLASSIFIED"
_WEIGHTINGS = frozenset({"T1", "T2", "DWI", "ADC", "CT", "other"})
_ROLES = frozenset({"baseline_ct", "dce_mri", "eob_mri"})
_LABEL_COLUMNS = (
    "label",
    "modality",
    "weighting",
    "contrast_phase",
    "definition_en",
    "definition_zh",
    "thickness_limit_mm",
    "required_in",
    "code",
    "reason",
    "source",
)
_WINDOW_COLUMNS = (
    "modality",
    "phase",
    "agent",
    "typical_from_s",
    "typical_to_s",
    "from_s",
    "to_s",
    "conflict_before_s",
    "conflict_after_s",
    "absent_cost",
    "repeat_cost",
    "reason",
    "source",
)
_RUNG_COLUMNS = (
    "rung",
    "tier",
    "least_margin",
    "earliest_s",
    "latest_s",
    "reason",
    "source",
)
_LABELS = TableShape(
    _LABEL_COLUMNS,
    key=("label",),
    stated=("label", "modality", "definition_en", "definition_zh", "reason", "source"),
)
_WINDOWS = TableShape(_WINDOW_COLUMNS, key=("modality", "phase", "agent"))
_RUNGS = TableShape(_RUNG_COLUMNS, key=("rung",))
RUNGS = ("start_time", "bolus_tracking", "named_phase", "gap")


@dataclass(frozen=True, kw_only=True)
class LabelDefinition:
    """One canonical label: meaning, phase, thickness limit, and the exams that need it."""

    label: str
    modalities: tuple[str, ...]
    weighting: str
    contrast_phase: str | None
    definition_en: str
    definition_zh: str
    thickness_limit_mm: float | None
    required_in: frozenset[str]
    code: str
    reason: str
    source: str

    @property
    def shows_tissue(self) -> bool:
        """Whether it is an image to read: no planning, map, report, subtraction or reformat."""
        return self.weighting != "other" and self.label != "MR_SUB"


@dataclass(frozen=True, kw_only=True)
class PhaseWindow:
    """Seconds after injection in which a phase lies, and outside which it cannot be.

    `absent_cost` and `repeat_cost` say how unusual an exam is that lacks the phase, or has it
    twice: 1 is one exam in ten, 2 one in a hundred.
    """

    modality: str
    phase: str
    agent: str
    typical_from_s: float
    typical_to_s: float
    from_s: float
    to_s: float
    conflict_before_s: float
    conflict_after_s: float
    absent_cost: float
    repeat_cost: float

    def holds(self, offset_s: float) -> bool:
        """Return whether the offset lies in the window, ends included."""
        return self.from_s <= offset_s <= self.to_s


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One source of time zero: the tier it allows, the margin it needs, where zero lies.

    `earliest_s` and `latest_s` are seconds from the moment that the source names.
    """

    name: str
    tier: str
    least_margin: float
    earliest_s: float
    latest_s: float


@lru_cache(maxsize=1)
def read_labels() -> Mapping[str, LabelDefinition]:
    """Read the canonical vocabulary, once."""
    path = label_tables_root() / "sequence_labels" / "vocabulary.csv"
    return parse_labels(read_signed(path), table_name(path))


def parse_labels(data: bytes | str, name: str) -> Mapping[str, LabelDefinition]:
    """Parse the vocabulary; a row that cannot be used is refused by file and line."""
    return {row.label: row for row in parse_table(data, name, _LABELS, _label)}


def _label(row: Cells) -> LabelDefinition:
    required = frozenset(filter(None, row["required_in"].split("|")))
    if row["weighting"] not in _WEIGHTINGS or not required <= _ROLES:
        raise ContractError("an unknown weighting or role")
    return LabelDefinition(
        label=row["label"],
        modalities=tuple(row["modality"].split("|")),
        weighting=row["weighting"],
        contrast_phase=row["contrast_phase"] or None,
        definition_en=row["definition_en"],
        definition_zh=row["definition_zh"],
        thickness_limit_mm=_number(row, "thickness_limit_mm")
        if row["thickness_limit_mm"]
        else None,
        required_in=required,
        code=row["code"],
        reason=row["reason"],
        source=row["source"],
    )


@lru_cache(maxsize=1)
def read_phase_windows() -> Mapping[tuple[str, str, str], PhaseWindow]:
    """Read the windows by modality, phase and agent (empty: any agent), once."""
    path = label_tables_root() / "sequence_labels" / "phase_windows.csv"
    return parse_phase_windows(read_signed(path), table_name(path))


@lru_cache(maxsize=64)
def find_window(modality: str, phase: str, agent: str = "") -> PhaseWindow | None:
    """Return the window of a phase with an agent, else with any agent, else None."""
    windows = read_phase_windows()
    return windows.get((modality, phase, agent)) or windows.get((modality, phase, ""))


def parse_phase_windows(data: bytes | str, name: str) -> Mapping[tuple[str, str, str], PhaseWindow]:
    """Parse the windows; limits out of order are refused by file and line."""
    rows = parse_table(data, name, _WINDOWS, _window)
    return {(row.modality, row.phase, row.agent): row for row in rows}


def _window(row: Cells) -> PhaseWindow:
    numbers = {name: _number(row, name) for name in _WINDOW_COLUMNS[3:-2]}
    window = PhaseWindow(
        modality=row["modality"], phase=row["phase"], agent=row["agent"], **numbers
    )
    limits = [
        window.conflict_before_s,
        window.from_s,
        window.typical_from_s,
        window.typical_to_s,
        window.to_s,
        window.conflict_after_s,
    ]
    if limits != sorted(limits):
        raise ContractError("limits that are not in order")
    if min(window.absent_cost, window.repeat_cost) < 0:
        raise ContractError("a cost below 0")
    return window


@lru_cache(maxsize=1)
def read_rungs() -> Mapping[str, Rung]:
    """Read the sources of time zero, once, in their order."""
    path = label_tables_root() / "sequence_labels" / "time_zero.csv"
    return parse_rungs(read_signed(path), table_name(path))


def parse_rungs(data: bytes | str, name: str) -> Mapping[str, Rung]:
    """Parse the sources of time zero; an unknown or missing one is refused."""
    rungs = {row.name: row for row in parse_table(data, name, _RUNGS, _rung)}
    if tuple(rungs) != RUNGS:
        raise ContractError("other rungs", expected=", ".join(RUNGS), where=name)
    return rungs


def _rung(row: Cells) -> Rung:
    if row["rung"] not in RUNGS or row["tier"] not in ("B", "C"):
        raise ContractError("a rung or tier that does not exist", expected=", ".join(RUNGS))
    numbers = {name: _number(row, name) for name in _RUNG_COLUMNS[2:-2]}
    return Rung(name=row["rung"], tier=row["tier"], **numbers)


def _number(row: Cells, column: str) -> float:
    try:
        number = float(row[column])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ContractError(f"`{column}` is not a number")
    return number
