"""The tables of measuring, as people signed them: metrics, parameters with tolerances, phases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableShape, read_table

FOLDER = "measure"
FILES = ("metrics.csv", "parameters.csv", "phase_order.csv")
_ANY = "*"
_SAID = ("reason", "source")
_WORSE = ("high", "low", "both")
_KINDS = ("absolute", "relative", "equal")
_METRIC_COLUMNS = (
    *("metric", "version", "unit", "modality", "labels", "worse", "spread_floor"),
    *("method_en", "method_zh", *_SAID),
)
_METRICS = TableShape(_METRIC_COLUMNS, key=("metric",), stated=_METRIC_COLUMNS)
_PARAMETERS = TableShape(("parameter", "modality", "tolerance", "kind", *_SAID), key=("parameter",))
_PAIRS = TableShape(
    ("earlier", "later", "aorta", "portal", "liver", *_SAID), key=("earlier", "later")
)


@dataclass(frozen=True)
class Metric:
    """What is measured, of which labels, and which side of its distribution is the bad one.

    `spread_floor` is the smallest spread that means anything, in the metric's unit: where all
    of a group are alike, less than three of it is no outlier.
    """

    name: str
    version: int
    unit: str
    modalities: frozenset[str]
    labels: frozenset[str]
    worse: str
    spread_floor: float

    def applies(self, modality: str | None, label: str) -> bool:
        """Return whether series of this label have the metric."""
        return modality in self.modalities and (_ANY in self.labels or label in self.labels)


@dataclass(frozen=True)
class Parameter:
    """An acquisition parameter that a protocol fixes, and how far it may lie from its usual value.

    `kind` is `absolute` (in the unit of the parameter), `relative` (a share of the usual value)
    or `equal`.
    """

    name: str
    modalities: frozenset[str]
    tolerance: float
    kind: str

    def alike(self, usual: float | str | None, value: float | str | None) -> bool:
        """Return whether a value is within the tolerance; an absent one is like an absent one."""
        if usual is None or value is None or self.kind == "equal":
            return usual == value
        allowed = self.tolerance * (abs(float(usual)) if self.kind == "relative" else 1.0)
        return abs(float(value) - float(usual)) <= allowed + 1e-9


@dataclass(frozen=True)
class PhasePair:
    """How tissues change from one phase to a later one: up 1, down -1, or unsaid 0."""

    earlier: str
    later: str
    aorta: int
    portal: int
    liver: int


@dataclass(frozen=True)
class Catalogue:
    """All tables."""

    metrics: tuple[Metric, ...]
    parameters: tuple[Parameter, ...]
    pairs: tuple[PhasePair, ...]

    def __getitem__(self, name: str) -> Metric:
        """Return a metric."""
        return next(metric for metric in self.metrics if metric.name == name)


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """Return the tables in force."""
    return read_catalogue(data_contracts_dir() / FOLDER)


def read_catalogue(folder: Path) -> Catalogue:
    """Read the tables.

    Raises
    ------
    ContractError
        If a row cannot be used; it names file, line and reason.
    """
    return Catalogue(
        tuple(read_table(folder / "metrics.csv", _METRICS, _metric)),
        tuple(read_table(folder / "parameters.csv", _PARAMETERS, _parameter)),
        tuple(read_table(folder / "phase_order.csv", _PAIRS, _pair)),
    )


def _metric(row: Cells) -> Metric:
    if row["worse"] not in _WORSE:
        raise ValueError(f"worse is one of {', '.join(_WORSE)}")
    floor = float(row["spread_floor"])
    if not floor > 0:
        raise ValueError("spread_floor is above 0")
    return Metric(
        name=row["metric"],
        version=int(row["version"]),
        unit=row["unit"],
        modalities=_words(row["modality"]),
        labels=_words(row["labels"]),
        worse=row["worse"],
        spread_floor=floor,
    )


def _parameter(row: Cells) -> Parameter:
    if row["kind"] not in _KINDS:
        raise ValueError(f"kind is one of {', '.join(_KINDS)}")
    if (row["kind"] == "equal") != (not row["tolerance"]):
        raise ValueError("a tolerance stands where values need not be equal, and only there")
    tolerance = float(row["tolerance"] or 0.0)
    return Parameter(row["parameter"], _words(row["modality"]), tolerance, row["kind"])


def _pair(row: Cells) -> PhasePair:
    signs = int(row["aorta"]), int(row["portal"]), int(row["liver"])
    pair = PhasePair(row["earlier"], row["later"], *signs)
    if set(signs) - {-1, 0, 1} or not (pair.aorta or pair.liver):
        raise ValueError("aorta, portal and liver are -1, 0 or 1; aorta and liver not both 0")
    return pair


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split("|"))
