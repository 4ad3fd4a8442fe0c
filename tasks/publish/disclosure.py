"""Counts that may be shared: no small cell is shown, and none follows from what is shown. Pure.

A count is the sum of atoms (who is where in the flow). Counts of 1 to `threshold` - 1 are left
out; then an attacker is played who knows every shown count of this and of the release before,
and bounds each left-out one by linear programming. While one can be bounded below the
threshold, another count is left out with it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, vstack

THRESHOLD = 5
SHARED_COUNTS = "shared_counts.csv"
#: Nodes of the flow that are also shared site by site.
SHARED_PER_SITE = ("screened", "enrolled", "eligible")
Matrix = NDArray[np.float64]
_NEARLY = 1e-6


@dataclass(frozen=True)
class Count:
    """One count: what it counts (`key`), how many, and which atoms it is the sum of.

    `shown` tells whether it may be shared; zero is shown.
    """

    key: tuple[str, ...]
    n: int
    atoms: frozenset[int]
    shown: bool = True


def flow_counts(
    rows: Sequence[Mapping[str, object]], per_site: Iterable[str], reading: str
) -> list[Count]:
    """Return the counts of the STARD flow to be shared: every node, and some of them per site.

    Atoms are the people of one site at one leaf of the flow.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of `stard_flow`.
    per_site : iterable of str
        Nodes that are also shared site by site.
    reading : str
        Which reading of the registered text.
    """
    rows = [row for row in rows if row["reading"] == reading]
    parents = {str(row["node_id"]): row["parent_id"] for row in rows}
    leaves = sorted(set(parents) - {str(parent) for parent in parents.values() if parent})
    sites = sorted({str(row["site_code"]) for row in rows} - {"all"})
    number = {(s, leaf): i for i, (s, leaf) in enumerate((s, x) for s in sites for x in leaves)}
    below = {node: _leaves_below(node, leaves, parents) for node in parents}
    wanted = set(per_site)
    return [
        Count(
            (str(row["site_code"]), str(row["node_id"])),
            int(str(row["n"])),
            frozenset(number[site, leaf] for site in own for leaf in below[str(row["node_id"])]),
        )
        for row in rows
        if (own := sites if row["site_code"] == "all" else [str(row["site_code"])])
        and (row["site_code"] == "all" or row["node_id"] in wanted)
    ]


def protect(
    counts: Sequence[Count],
    previous: Mapping[tuple[str, ...], int] | None = None,
    threshold: int = THRESHOLD,
) -> list[Count]:
    """Return the counts with `shown` decided.

    Parameters
    ----------
    counts : sequence of Count
        All counts that are meant to be shared together.
    previous : mapping of key to int, optional
        What the release before showed: a change by 1 to `threshold` - 1 would tell about the
        few who came or went, so such a count is left out.
    threshold : int
        The smallest number other than zero that may be shown.
    """
    before = previous or {}
    held = [replace(count, shown=_may_stand(count, before, threshold)) for count in counts]
    while True:
        open_ones = recovered(held, before, threshold)
        if not open_ones:
            return held
        for at in open_ones:
            other = _companion(held, at)
            if other is not None:
                held[other] = replace(held[other], shown=False)
        if all(_companion(held, at) is None for at in open_ones):
            return [replace(count, shown=False) for count in held]


def recovered(
    counts: Sequence[Count], previous: Mapping[tuple[str, ...], int], threshold: int = THRESHOLD
) -> list[int]:
    """Return which left-out small counts, or small changes of counts, an attacker can tell.

    A small count is told when every solution puts it below the threshold or on one number;
    a small change likewise.
    """
    attack = _Attack(counts, previous)
    told = []
    for at, count in enumerate(counts):
        if count.shown:
            continue
        if 0 < count.n < threshold and _is_told(attack.bounds(at), threshold):
            told.append(at)
        elif count.key in previous and 0 < abs(count.n - previous[count.key]) < threshold:
            low, high = attack.bounds(at)
            if high - low < 1 - _NEARLY:
                told.append(at)
    return told


def counts_csv(counts: Iterable[Count]) -> bytes:
    """Return `shared_counts.csv`; a count that is left out has no number."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["site_code", "node_id", "n", "left_out"])
    for count in counts:
        writer.writerow([*count.key, count.n if count.shown else "", "" if count.shown else "yes"])
    return text.getvalue().encode()


def parse_counts(text: str) -> dict[tuple[str, ...], int]:
    """Return what a `shared_counts.csv` shows, by key."""
    return {
        (row["site_code"], row["node_id"]): int(row["n"])
        for row in csv.DictReader(StringIO(text))
        if row["n"]
    }


class _Attack:
    """Everything an attacker knows, as a linear system over the atoms of both releases."""

    def __init__(self, counts: Sequence[Count], previous: Mapping[tuple[str, ...], int]) -> None:
        self.n_atoms = max((max(c.atoms, default=-1) for c in counts), default=-1) + 1
        self.rows = [_indicator(count.atoms, self.n_atoms) for count in counts]
        known = [at for at, count in enumerate(counts) if count.shown]
        old = [at for at, count in enumerate(counts) if count.key in previous]
        self.blocks = [(self.rows[at], counts[at].n, 0) for at in known]
        self.blocks += [(self.rows[at], previous[counts[at].key], 1) for at in old]

    def bounds(self, at: int) -> tuple[float, float]:
        """Return the least and the largest value the count may have."""
        if not self.blocks:
            return 0.0, float("inf")
        empty = csr_array((1, self.n_atoms))
        lines = [hstack([row, empty] if not age else [empty, row]) for row, _, age in self.blocks]
        equal = vstack(lines).tocsr()
        totals = np.array([n for _, n, _ in self.blocks], dtype=float)
        aim = hstack([self.rows[at], empty]).toarray()[0]
        return _extreme(aim, equal, totals, 1.0), _extreme(-aim, equal, totals, -1.0)


def _extreme(aim: Matrix, equal: csr_array, totals: Matrix, sign: float) -> float:
    found = linprog(aim, A_eq=equal, b_eq=totals, bounds=(0, None), method="highs")
    return sign * float(found.fun) if found.status == 0 else sign * float("-inf")


def _is_told(bounds: tuple[float, float], threshold: int) -> bool:
    low, high = bounds
    return high < threshold - _NEARLY or high - low < 1 - _NEARLY


def _may_stand(count: Count, before: Mapping[tuple[str, ...], int], threshold: int) -> bool:
    small_change = count.key in before and 0 < abs(count.n - before[count.key]) < threshold
    return not (0 < count.n < threshold or small_change)


def _companion(counts: Sequence[Count], at: int) -> int | None:
    """Return the shown count to leave out with another: the one that shares most and says least.

    Zero tells nothing that leaving it out would hide, so it goes only when nothing else is left.
    """
    target = counts[at].atoms
    found = [
        (count.n == 0, len(count.atoms), count.n, number)
        for number, count in enumerate(counts)
        if count.shown and _tied(count.atoms, target, counts)
    ]
    return min(found)[-1] if found else None


def _tied(one: frozenset[int], other: frozenset[int], counts: Sequence[Count]) -> bool:
    """Whether two counts stand in one sum: they share atoms, or lie in the same larger count."""
    if one & other:
        return True
    joined = one | other
    return any(joined <= count.atoms and count.shown for count in counts)


def _leaves_below(node: str, leaves: Sequence[str], parents: Mapping[str, object]) -> list[str]:
    def is_below(leaf: object) -> bool:
        while leaf:
            if leaf == node:
                return True
            leaf = parents.get(str(leaf))
        return False

    return [leaf for leaf in leaves if is_below(leaf)]


def _indicator(atoms: frozenset[int], size: int) -> csr_array:
    at = sorted(atoms)
    return csr_array((np.ones(len(at)), (np.zeros(len(at), dtype=int), at)), shape=(1, size))
