"""Items that a worker takes at once, and how their results come back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Packed = TypeVar("Packed")

#: Items that belong together go to one worker, up to so many at a time.
_CHUNK = 64


@dataclass(frozen=True)
class Raised:
    """What a function raised, on its way to who gave the item."""

    error: Exception


def each(
    function: Callable[[Item], Result],
    pack: Callable[[list[Result]], Packed],
    items: Sequence[Item],
) -> Packed | Raised:
    """Return the results of all items, packed, or what one of them raised."""
    try:
        return pack([function(item) for item in items])
    except Exception as error:
        return Raised(error)


def as_they_are(results: list[Result]) -> list[Result]:
    """Pack nothing."""
    return results


def unless_raised(outcome: Packed | Raised) -> Packed:
    """Return what came back; raise here what was raised there."""
    if isinstance(outcome, Raised):
        raise outcome.error
    return outcome


def chunks_of(
    items: Sequence[Item], together: Callable[[Item], object]
) -> Iterator[Sequence[Item]]:
    """Yield slices of items in a row that belong together by equal values, none too long."""
    begin = 0
    for _, same in groupby(items, key=together):
        end = begin + sum(1 for _ in same)
        for at in range(begin, end, _CHUNK):
            yield items[at : min(at + _CHUNK, end)]
        begin = end
