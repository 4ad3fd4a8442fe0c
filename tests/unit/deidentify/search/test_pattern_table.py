"""A table of patterns finds what a plain look for each of them finds, at the same places."""

from __future__ import annotations

import pickle
import random

import pytest

from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search import pattern_table
from tasks.deidentify.search.needles import Edge, Needle, needles_of_all
from tasks.deidentify.search.pattern_table import PatternTable

Told = tuple[Needle, frozenset[str]]


def standing_plainly(told: set[Told], text: bytes) -> set[tuple[int, Needle, frozenset[str]]]:
    found = set()
    for needle, owners in told:
        start = text.find(needle.pattern)
        while start >= 0:
            found.add((start + len(needle.pattern) - 1, needle, owners))
            start = text.find(needle.pattern, start + 1)
    return found


def table_of(told: set[Told], *, folded: bool) -> PatternTable:
    table = PatternTable(folded=folded)
    for needle, owners in [*told, *told]:  # taken in twice is there once
        table.add(needle, owners)
    table.close()
    return table


def standing(table: PatternTable, text: bytes) -> set[tuple[int, Needle, frozenset[str]]]:
    found = list(table.standing_in(text.decode("latin-1")))
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_patterns_that_begin_alike_end_alike_and_lie_in_each_other(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """Of few letters, so that nearly everything begins, goes on and ends like something else."""
    monkeypatch.setattr(pattern_table, "_PIECE", piece)
    chance, kinds = random.Random(4), list(IdentifierKind)
    for letters in (b"ab", b"a\0", bytes(range(250, 256))):
        told = {
            (
                Needle(
                    folded=False,
                    pattern=bytes(chance.choices(letters, k=chance.randint(1, 20))),
                    kind=chance.choice(kinds),
                    subject_id="",
                    own_only=chance.random() < 0.5,
                    edge=chance.choice(list(Edge)),
                ),
                frozenset(chance.sample(["A", "B", "C"], chance.randint(1, 3))),
            )
            for _ in range(300)
        }
        table = table_of(told, folded=False)
        assert table.longest == max(len(needle.pattern) for needle, _ in told)
        again = pickle.loads(pickle.dumps(table))  # as a worker gets it
        for size in (0, 1, 7, 8, 9, 400):
            # At its end stands a pattern, of which another may be the beginning.
            last = chance.choice(sorted(needle.pattern for needle, _ in told))
            text = bytes(chance.choices(letters, k=size)) + last
            expected = standing_plainly(told, text)
            assert standing(table, text) == expected
            assert standing(again, text) == expected
        assert expected


def test_what_people_are_called_is_found_in_every_encoding() -> None:
    kinds = {IdentifierKind.NAME: "王小明", IdentifierKind.PHYSICIAN: "Zhang^Wei^Min"}
    kinds |= {IdentifierKind.DATE: "20230514", IdentifierKind.PATIENT_ID: "P00123456"}
    named = [
        {Identifier(kind, value + more) for kind, value in kinds.items()}
        for more in ("", "伟", "x")
    ]
    people = [SubjectIdentifiers(f"X001-{n}", None, frozenset(own)) for n, own in enumerate(named)]
    every = set(needles_of_all(people))
    assert len(every) > 200
    text = b" ".join(needle.pattern + b"." for needle, _ in sorted(every, key=repr))
    for folded in (False, True):
        told = {one for one in every if one[0].folded is folded}
        own = text.lower() if folded else text
        assert standing(table_of(told, folded=folded), own) == standing_plainly(told, own)
        assert {needle for _, needle, _ in standing_plainly(told, own)} == {one for one, _ in told}


def test_without_patterns_nothing_is_found() -> None:
    table = table_of(set(), folded=True)
    assert standing(table, b"anything") == set()
    assert table.longest == 0
