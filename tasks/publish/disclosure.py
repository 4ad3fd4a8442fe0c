"""Counts that may be shared: no small cell is shown, and none follows from what is shown. Pure.

A count is the sum of atoms (who is where in the flow). Counts of 1 to `threshold` - 1 are left
out, and so are counts that changed by as little since the release before. Then an attacker is
played who knows every shown count of both and bounds each left-out one by linear programming.
While one can be bounded below the threshold, or is certain, another is left out with it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

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
    before = _known_before(counts, previous or {})
    held = [replace(count, shown=_may_stand(count, before, threshold)) for count in counts]
    while open_ones := _told(held, before, threshold):
        for other in open_ones.values():
            held[other] = replace(held[other], shown=False)
    return held


def _told(
    counts: Sequence[Count], previous: Mapping[tuple[str, ...], int], threshold: int
) -> dict[int, int]:
    """Return each count that is told → the shown count to leave out with it.

    That is one of those by which the attacker tells it: the one that covers least, then the
    smallest; zero goes only when nothing else is left, for leaving it out hides nothing.
    """
    attack = _Attack(counts, {at: c.n for at, c in enumerate(counts) if c.shown})
    told: dict[int, int] = {}
    for at, count in enumerate(counts):
        is_small = 0 < count.n < threshold
        moved = count.key in previous and 0 < abs(count.n - previous[count.key]) < threshold
        if count.shown or not (is_small or moved):
            continue
        low, high, by = attack.bounds(at)
        if high - low < 1 - _NEARLY or (is_small and high < threshold - _NEARLY):
            told[at] = min(
                by, key=lambda i: (counts[i].n == 0, len(counts[i].atoms), counts[i].n, i)
            )
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
    """What an attacker knows of one release, as a linear system over its atoms.

    Nothing ties the atoms of two releases: people come, and move from leaf to leaf. What an
    older release adds is known numbers, see `_known_before`.
    """

    def __init__(self, counts: Sequence[Count], known: Mapping[int, int]) -> None:
        size = max((max(c.atoms, default=-1) for c in counts), default=-1) + 1
        self._aims = [_indicator(count.atoms, size) for count in counts]
        self._known = list(known)
        self._equal = vstack([self._aims[at] for at in known]).tocsr() if known else None
        self._totals = np.array(list(known.values()), dtype=float)

    def bounds(self, at: int) -> tuple[float, float, list[int]]:
        """Return the least and the largest value a count may have, and the counts that say so."""
        if self._equal is None:
            return 0.0, float("inf"), []
        aim = self._aims[at].toarray()[0]
        low, below = self._least(aim)
        high, above = self._least(-aim)
        return low, -high, sorted(below | above)

    def _least(self, aim: Matrix) -> tuple[float, set[int]]:
        found = linprog(aim, A_eq=self._equal, b_eq=self._totals, bounds=(0, None))
        if found.status != 0:
            return float("-inf"), set()
        weights = np.abs(found.eqlin.marginals)
        return float(found.fun), {self._known[i] for i in np.flatnonzero(weights > _NEARLY)}


def _known_before(
    counts: Sequence[Count], previous: Mapping[tuple[str, ...], int]
) -> dict[tuple[str, ...], int]:
    """Return what the release before showed, and what followed from that."""
    known = {at: previous[c.key] for at, c in enumerate(counts) if c.key in previous}
    if not known:
        return dict(previous)
    attack = _Attack(counts, known)
    found = dict(previous)
    for at, count in enumerate(counts):
        if at not in known:
            low, high, _ = attack.bounds(at)
            if high - low < 1 - _NEARLY:
                found[count.key] = round(low)
    return found


def _may_stand(count: Count, before: Mapping[tuple[str, ...], int], threshold: int) -> bool:
    small_change = count.key in before and 0 < abs(count.n - before[count.key]) < threshold
    return not (0 < count.n < threshold or small_change)


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
