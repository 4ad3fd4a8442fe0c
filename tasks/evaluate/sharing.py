"""What of an evaluation may be shared: cells, and the estimates that stand on shown cells. Pure."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

import numpy as np

from tasks.evaluate.cohort import LITERAL
from tasks.evaluate.patients import (
    CONCLUSIVE,
    Result,
    measures_in_force,
    patient_subsets,
    verified,
)
from tasks.evaluate.rows import ALL, MAIN, Row

SHARED = "shared_estimates.csv"
#: The smallest cell other than zero that may be shown.
THRESHOLD = 10
#: Subgroups that are shared; the more there are, the more has to be left out.
_SHARED_BY = (ALL, "site", "ascertainment")
_COLUMNS = ("measure", "subset_by", "subset", "numerator", "denominator", "estimate")
_INTERVAL = ("ci_low", "ci_high", "method", "exploratory", "left_out")


@dataclass(frozen=True)
class Cell:
    """A count: subset and cell, how many, and which atoms it is the sum of."""

    key: tuple[str, str, str]
    n: int
    atoms: frozenset[int]


def shared_cells(results: Sequence[Result]) -> list[Cell]:
    """Return the four cells of every subset that is shared; no answer counts as wrong.

    An atom is the subjects of one site and ascertainment in one cell.
    """
    ours = verified(results, LITERAL)
    subjects = [one.subject for one in ours]
    kinds = [(one.subject.site, one.subject.ascertainment, _cell(one)) for one in ours]
    numbers = {kind: number for number, kind in enumerate(sorted(set(kinds)))}
    cells = []
    for by, subset, who in patient_subsets(subjects):
        if by not in _SHARED_BY:
            continue
        members = [kinds[i] for i in np.flatnonzero(who)]
        for cell in ("tp", "fp", "fn", "tn"):
            here = [kind for kind in members if kind[2] == cell]
            atoms = frozenset(numbers[kind] for kind in here)
            cells.append(Cell((by, subset, cell), len(here), atoms))
    return cells


def _cell(one: Result) -> str:
    malignant = bool(one.subject.proven)
    called = (one.outcome == "positive") if one.outcome in CONCLUSIVE else not malignant
    if called:
        return "tp" if malignant else "fp"
    return "fn" if malignant else "tn"


def shared_csv(
    estimates: Sequence[Row], shown: Collection[tuple[str, str, str]], misdiagnosis: str
) -> bytes:
    """Return `shared_estimates.csv`: numbers whose every cell is shown, and which were left out."""
    text = StringIO()
    writer = csv.DictWriter(text, (*_COLUMNS, *_INTERVAL), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_shared_rows(estimates, shown, misdiagnosis))
    return text.getvalue().encode()


def _shared_rows(
    estimates: Sequence[Row], shown: Collection[tuple[str, str, str]], misdiagnosis: str
) -> Iterator[Row]:
    cells_of = {
        name: {*above, *below} for name, (above, below) in measures_in_force(misdiagnosis).items()
    }
    for row in estimates:
        by, subset, measure = (str(row[name]) for name in ("subset_by", "subset", "measure"))
        ours = (row["unit"], row["reading"], row["analysis"], row["method"])
        if ours != ("patient", LITERAL, MAIN, "wilson") or by not in _SHARED_BY:
            continue
        if measure not in cells_of:
            continue
        head: Row = {"measure": measure, "subset_by": by, "subset": subset, "left_out": ""}
        head["exploratory"] = "yes" if row["exploratory"] else "no"
        if all((by, subset, cell) in shown for cell in cells_of[measure]):
            yield head | {name: row[name] for name in (*_COLUMNS[3:], *_INTERVAL[:3])}
        else:
            yield head | {"left_out": "yes"}
