"""What two values have to share for one digest: kind, order and every field."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations

import pytest

from schemas.clinical_rows import Missing
from schemas.value_digest import value_digest

DAY = dt.date(2026, 3, 4)


class Other(StrEnum):
    UNKNOWN = "UK"


@dataclass(frozen=True)
class Record:
    """A record with what neither `repr` nor `==` tells."""

    name: str = "a"
    secret: str = field(default="b", repr=False, compare=False)


@dataclass(frozen=True)
class SameFields:
    """Another kind with the same fields."""

    name: str = "a"
    secret: str = "b"


#: No two of them say the same, though many are equal to, or look like, another.
DIFFERENT: tuple[object, ...] = (
    *(None, "", "None", 1, 1.0, "1", True, "True", 0, 0.0, -0.0, False, "n;", float("nan")),
    *("UK", Missing.UNKNOWN, Other.UNKNOWN, DAY, str(DAY)),
    *((), [], {}, ("",), ("a", "b"), ("b", "a"), ("ab",), ["a", "b"], ("a", ("b",)), (("a",), "b")),
    *({"a": "b"}, {"b": "a"}, ("a", "s1:b"), ("as1:b",)),
    *(Record(), Record("b"), Record(secret="c"), SameFields(), ("a", "b", None)),
)


def test_the_same_gives_the_same() -> None:
    for value in DIFFERENT:
        assert value_digest(value) == value_digest(value)
    assert value_digest(Record("x" * 2, "y")) == value_digest(Record("xx", "y"))


def test_what_differs_in_anything_gives_another() -> None:
    digests = [value_digest(value) for value in DIFFERENT]
    same = [
        (DIFFERENT[a], DIFFERENT[b])
        for a, b in combinations(range(len(digests)), 2)
        if digests[a] == digests[b]
    ]
    assert same == []


def test_several_values_are_no_value_of_several() -> None:
    assert value_digest("a", "b") != value_digest("b", "a")
    assert value_digest("a", "b") != value_digest("ab")
    assert value_digest("a", "b") != value_digest(("a", "b"))


@pytest.mark.parametrize(
    "unknown", [{1, 2}, b"bytes", dt.datetime(2026, 3, 4, tzinfo=dt.UTC), object(), range(3)]
)
def test_a_kind_that_nobody_thought_of_is_refused(unknown: object) -> None:
    with pytest.raises(TypeError, match="no digest"):
        value_digest(["a", unknown])
