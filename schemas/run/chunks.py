"""Items that a worker takes at once, and how their results come back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Packed = TypeVar("Packed")

#: Items that belong together go to one worker, up to so many and so large at a time: the first
#: of them costs it the most, and one that is at work last should not be so for long.
_CHUNK, _CHUNK_BYTES = 128, 32 << 20


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
    items: Sequence[Item],
    together: Callable[[Item], object],
    n_bytes: Callable[[Item], int] = lambda _: _CHUNK_BYTES // 64,
) -> Iterator[Sequence[Item]]:
    """Yield slices of items in a row that belong together by equal values, none too long.

    Those that belong together are parted evenly. Without `n_bytes`, the size of an item, none is
    longer than 64.
    """
    begin = 0
    for _, same in groupby(items, key=together):
        sizes = [n_bytes(item) for item in same]
        end = begin + len(sizes)
        n_parts = max(-(-len(sizes) // _CHUNK), -(-sum(sizes) // _CHUNK_BYTES))
        n_parts = min(max(n_parts, 1), len(sizes))
        for part in range(n_parts):
            first, last = (len(sizes) * n // n_parts for n in (part, part + 1))
            yield items[begin + first : begin + last]
        begin = end
