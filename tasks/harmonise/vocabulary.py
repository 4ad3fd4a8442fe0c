"""The canonical labels and the time windows of contrast phases, read from their tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO

from schemas.errors import ContractError
from schemas.package_data import label_tables_root
from schemas.rule_tables import refusing_bad_csv

UNCLASSIFIED = "UNCLASSIFIED"
_WEIGHTINGS = frozenset({"T1", "T2", "DWI", "ADC", "CT", "other"})
_ROLES = frozenset({"baseline_ct", "dce_mri", "eob_mri"})
_LABEL_COLUMNS = [
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
]
_WINDOW_COLUMNS = [
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
]
_RUNG_COLUMNS = [
    "rung",
    "tier",
    "least_margin",
    "earliest_s",
    "latest_s",
    "reason",
    "source",
]
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
    return parse_labels(path.read_text(encoding="utf-8"), path.name)


def parse_labels(text: str, file_name: str) -> Mapping[str, LabelDefinition]:
    """Parse the vocabulary; a row that cannot be used is refused by file and line."""
    labels: dict[str, LabelDefinition] = {}
    for row, where in _rows(text, file_name, _LABEL_COLUMNS):
        required = frozenset(filter(None, row["required_in"].split("|")))
        if row["weighting"] not in _WEIGHTINGS or not required <= _ROLES:
            raise ContractError("an unknown weighting or role", where=where)
        if row["label"] in labels or not row["label"]:
            raise ContractError("a label that is empty or stands twice", where=where)
        labels[row["label"]] = LabelDefinition(
            label=row["label"],
            modalities=tuple(row["modality"].split("|")),
            weighting=row["weighting"],
            contrast_phase=row["contrast_phase"] or None,
            definition_en=row["definition_en"],
            definition_zh=row["definition_zh"],
            thickness_limit_mm=_number(row, "thickness_limit_mm", where)
            if row["thickness_limit_mm"]
            else None,
            required_in=required,
            code=row["code"],
            reason=row["reason"],
            source=row["source"],
        )
    return labels


@lru_cache(maxsize=1)
def read_phase_windows() -> Mapping[tuple[str, str, str], PhaseWindow]:
    """Read the windows by modality, phase and agent (empty: any agent), once."""
    path = label_tables_root() / "sequence_labels" / "phase_windows.csv"
    return parse_phase_windows(path.read_text(encoding="utf-8"), path.name)


@lru_cache(maxsize=64)
def find_window(modality: str, phase: str, agent: str = "") -> PhaseWindow | None:
    """Return the window of a phase with an agent, else with any agent, else None."""
    windows = read_phase_windows()
    return windows.get((modality, phase, agent)) or windows.get((modality, phase, ""))


def parse_phase_windows(text: str, file_name: str) -> Mapping[tuple[str, str, str], PhaseWindow]:
    """Parse the windows; limits out of order are refused by file and line."""
    windows: dict[tuple[str, str, str], PhaseWindow] = {}
    for row, where in _rows(text, file_name, _WINDOW_COLUMNS):
        numbers = {name: _number(row, name, where) for name in _WINDOW_COLUMNS[3:-2]}
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
            raise ContractError("limits that are not in order", where=where)
        key = (window.modality, window.phase, window.agent)
        if key in windows or min(window.absent_cost, window.repeat_cost) < 0:
            raise ContractError("a row that stands twice, or a cost below 0", where=where)
        windows[key] = window
    return windows


@lru_cache(maxsize=1)
def read_rungs() -> Mapping[str, Rung]:
    """Read the sources of time zero, once, in their order."""
    path = label_tables_root() / "sequence_labels" / "time_zero.csv"
    return parse_rungs(path.read_text(encoding="utf-8"), path.name)


def parse_rungs(text: str, file_name: str) -> Mapping[str, Rung]:
    """Parse the sources of time zero; an unknown or missing one is refused."""
    rungs: dict[str, Rung] = {}
    for row, where in _rows(text, file_name, _RUNG_COLUMNS):
        if row["rung"] not in RUNGS or row["rung"] in rungs or row["tier"] not in ("B", "C"):
            raise ContractError("a rung or tier that does not exist, or twice", where=where)
        numbers = {name: _number(row, name, where) for name in _RUNG_COLUMNS[2:-2]}
        rungs[row["rung"]] = Rung(name=row["rung"], tier=row["tier"], **numbers)
    if tuple(rungs) != RUNGS:
        raise ContractError("other rungs", expected=", ".join(RUNGS), where=file_name)
    return rungs


def _rows(text: str, file_name: str, columns: list[str]) -> Iterator[tuple[Mapping[str, str], str]]:
    reader = csv.DictReader(StringIO(text))
    with refusing_bad_csv(file_name, ContractError):
        if reader.fieldnames != columns:
            raise ContractError("other columns", expected=", ".join(columns), where=file_name)
        rows = [(reader.line_num, row) for row in reader]
    for line, row in rows:
        where = f"{file_name}:{line}"
        if None in row or None in row.values() or not row["reason"] or not row["source"]:
            raise ContractError("a row without reason or source, or of other length", where=where)
        yield row, where


def _number(row: Mapping[str, str], column: str, where: str) -> float:
    try:
        return float(row[column])
    except ValueError as error:
        raise ContractError(f"`{column}` is not a number", where=where) from error
