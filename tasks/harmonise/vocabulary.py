"""The canonical labels and the time windows of contrast phases, read from their tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir

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
    "from_s",
    "to_s",
    "conflict_before_s",
    "conflict_after_s",
    "reason",
    "source",
]


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


@dataclass(frozen=True, kw_only=True)
class PhaseWindow:
    """Seconds after injection in which a phase lies, and outside which naming it conflicts."""

    modality: str
    phase: str
    from_s: float
    to_s: float
    conflict_before_s: float
    conflict_after_s: float

    def holds(self, offset_s: float) -> bool:
        """Return whether the offset lies in the window, ends included."""
        return self.from_s <= offset_s <= self.to_s

    def contradicts(self, offset_s: float) -> bool:
        """Return whether no acquisition of this phase lies at the offset."""
        return not self.conflict_before_s <= offset_s <= self.conflict_after_s


@lru_cache(maxsize=1)
def read_labels() -> Mapping[str, LabelDefinition]:
    """Read the canonical vocabulary, once."""
    path = data_contracts_dir() / "sequence_labels" / "vocabulary.csv"
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
def read_phase_windows() -> Mapping[tuple[str, str], PhaseWindow]:
    """Read the windows by modality and phase, once."""
    path = data_contracts_dir() / "sequence_labels" / "phase_windows.csv"
    return parse_phase_windows(path.read_text(encoding="utf-8"), path.name)


def parse_phase_windows(text: str, file_name: str) -> Mapping[tuple[str, str], PhaseWindow]:
    """Parse the windows; limits out of order are refused by file and line."""
    windows: dict[tuple[str, str], PhaseWindow] = {}
    for row, where in _rows(text, file_name, _WINDOW_COLUMNS):
        window = PhaseWindow(
            modality=row["modality"],
            phase=row["phase"],
            from_s=_number(row, "from_s", where),
            to_s=_number(row, "to_s", where),
            conflict_before_s=_number(row, "conflict_before_s", where),
            conflict_after_s=_number(row, "conflict_after_s", where),
        )
        if not window.conflict_before_s <= window.from_s <= window.to_s <= window.conflict_after_s:
            raise ContractError("limits that are not in order", where=where)
        windows[window.modality, window.phase] = window
    return windows


def _rows(text: str, file_name: str, columns: list[str]) -> Iterator[tuple[Mapping[str, str], str]]:
    reader = csv.DictReader(StringIO(text))
    if reader.fieldnames != columns:
        raise ContractError("other columns", expected=", ".join(columns), where=file_name)
    for row in reader:
        where = f"{file_name}:{reader.line_num}"
        if None in row or None in row.values() or not row["reason"] or not row["source"]:
            raise ContractError("a row without reason or source, or of other length", where=where)
        yield row, where


def _number(row: Mapping[str, str], column: str, where: str) -> float:
    try:
        return float(row[column])
    except ValueError as error:
        raise ContractError(f"`{column}` is not a number", where=where) from error
