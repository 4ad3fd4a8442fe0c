"""Read what the page of outcomes shows: evaluations beside a release, and the accrual of a home."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from schemas.evaluations import EVALUATION_MANIFEST, EVALUATIONS
from schemas.run.zones import Zones
from tasks.report.model import EvaluationInput

_TABLES = ("evaluation", "estimate", "curve_point", "cross_table", "evaluation_flow")
_ENROLLED = "enrolled"


def read_evaluations(release: Path) -> tuple[EvaluationInput, ...]:
    """Return the evaluations of a release by name; only rows of counts, none of a subject."""
    shelves = sorted((release / EVALUATIONS).glob(f"*/{EVALUATION_MANIFEST}"))
    return tuple(_read(manifest.parent) for manifest in shelves)


def _read(folder: Path) -> EvaluationInput:
    paths = ((name, folder / "tables" / f"{name}.parquet") for name in _TABLES)
    tables = {
        name: tuple(pq.read_table(path).to_pylist()) for name, path in paths if path.is_file()
    }
    return EvaluationInput(folder.name, tables)


def read_enrolled_by_month(zones: Zones) -> Mapping[str, int]:
    """Return how many persons were enrolled in each month; {} where no release wrote it.

    Real months, summed over all sites: the file itself is restricted.
    """
    path = zones.restricted / "accrual" / "accrual.csv"
    if not path.is_file():
        return {}
    counts: Counter[str] = Counter()
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["outcome"] == _ENROLLED:
                counts[row["month"]] += int(row["n"])
    return dict(sorted(counts.items()))
