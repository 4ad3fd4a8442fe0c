"""Shared counts: an attacker with every margin and the release before recovers no small cell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tasks.publish.disclosure import Count, _told, flow_counts, protect

THRESHOLD = 5


def table(cells: Sequence[Sequence[int]]) -> list[Count]:
    """Return the cells of a two-way table with both margins and the total."""
    rows, columns = len(cells), len(cells[0])
    atom = {(r, c): r * columns + c for r in range(rows) for c in range(columns)}
    whole = ["all"]
    counts = []
    for r, c in product([*range(rows), *whole], [*range(columns), *whole]):
        own = [at for (i, j), at in atom.items() if r in (i, "all") and c in (j, "all")]
        n = sum(cells[at // columns][at % columns] for at in own)
        counts.append(Count((str(r), str(c)), n, frozenset(own)))
    return counts


def attacked(counts: Sequence[Count], previous: Sequence[Count] = ()) -> list[tuple[str, ...]]:
    """Play the attacker apart from the code under test; return the small cells told."""
    shown = [count for count in counts if count.shown]
    older = [count for count in previous if count.shown]
    size = 1 + max(at for count in counts for at in count.atoms)

    def line(atoms: frozenset[int], old: bool) -> list[float]:
        row = [float(at in atoms) for at in range(size)]
        return [0.0] * size + row if old else row + [0.0] * size

    equal = [line(c.atoms, False) for c in shown] + [line(c.atoms, True) for c in older]
    totals = [c.n for c in [*shown, *older]]
    told = []
    for count in counts:
        if not 0 < count.n < THRESHOLD:
            continue
        aim = line(count.atoms, False)
        ends = [
            linprog([s * a for a in aim], A_eq=equal or None, b_eq=totals or None, bounds=(0, None))
            for s in (1, -1)
        ]
        low = ends[0].fun if ends[0].status == 0 else 0.0
        high = -ends[1].fun if ends[1].status == 0 else float("inf")
        if high - low < 0.999 or high < THRESHOLD - 0.001:
            told.append(count.key)
    return told


def test_primary_suppression_alone_is_broken_by_the_attack() -> None:
    cells = table([[12, 3, 20], [30, 14, 9], [8, 25, 17]])
    only_small = [Count(c.key, c.n, c.atoms, shown=not 0 < c.n < THRESHOLD) for c in cells]
    assert attacked(only_small) == [("0", "1")]
    assert list(_told(only_small, {}, THRESHOLD)) == [1]


def test_a_small_cell_takes_others_with_it_and_zero_and_margins_stay() -> None:
    held = protect(table([[12, 3, 20], [30, 14, 9], [8, 25, 0]]))
    assert attacked(held) == []
    shown = {c.key: c.n for c in held if c.shown}
    assert shown["all", "all"] == 121
    assert ("0", "1") not in shown
    assert len(shown) >= 10


def test_a_table_without_small_cells_is_shown_whole() -> None:
    assert all(c.shown for c in protect(table([[5, 0], [7, 8]])))


def test_a_count_that_moved_by_a_few_is_left_out_and_does_not_follow_from_the_rest() -> None:
    before = protect(table([[12, 30], [40, 50]]))
    after = protect(table([[12, 32], [40, 50]]), {c.key: c.n for c in before if c.shown})
    hidden = {c.key for c in after if not c.shown}
    assert {("0", "1"), ("0", "all"), ("all", "1"), ("all", "all")} <= hidden
    assert not _told(after, {c.key: c.n for c in before if c.shown}, THRESHOLD)


@settings(deadline=None, max_examples=25)
@given(
    cells=st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=3, max_size=4),
    more=st.lists(st.integers(0, 12), min_size=12, max_size=12),
)
def test_no_small_cell_is_recovered_from_margins_or_from_the_release_before(
    cells: list[list[int]], more: list[int]
) -> None:
    grown = [[n + more[r * 3 + c] for c, n in enumerate(row)] for r, row in enumerate(cells)]
    before = protect(table(cells))
    after = protect(table(grown), {c.key: c.n for c in before if c.shown})
    assert attacked(before) == []
    assert attacked(after, before) == []


@pytest.mark.parametrize("site", ["all", "S91"])
def test_the_flow_is_shared_as_a_tree_whose_nodes_sum(site: str) -> None:
    def node(name: str, parent: str | None, code: str, n: int) -> dict[str, object]:
        return {
            "reading": "literal",
            "site_code": code,
            "node_id": name,
            "parent_id": parent,
            "n": n,
        }

    rows = [
        node(name, parent, code, n)
        for code, ns in (("all", (30, 20, 10)), ("S91", (21, 13, 8)), ("S92", (9, 7, 2)))
        for (name, parent), n in zip(
            (("screened", None), ("kept", "screened"), ("dropped", "screened")), ns, strict=True
        )
    ]
    counts = {c.key: c for c in flow_counts(rows, ["screened", "kept"], "literal")}
    assert (site, "dropped") in counts or site != "all"
    whole, kept = counts[site, "screened"], counts[site, "kept"]
    assert kept.atoms < whole.atoms
    held = {c.key: c.shown for c in protect(list(counts.values()))}
    assert held["all", "screened"]
    assert attacked(protect(list(counts.values()))) == []
