"""Scan the header of a slice by the layout of the slice before it.

Headers of one series have the same elements in the same order; a few values differ in length.
Where a scan goes is decided by tags, VRs and lengths alone. So they are compared with those of
the header before, all at once, and a value of another length only moves what follows it.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from schemas.dicom.header_scan import (
    UNDEFINED,
    NotForUsError,
    Place,
    ScannedHeader,
    read_element,
    scan_meta,
)

#: Tag, where its value begins and ends, the value.
Watched = tuple[int, int, int, bytes]
#: More values of another length than this: it is another series.
_MAX_MOVES = 12
_PLAIN_HEAD_BYTES = 8


class MovedPlaces(Mapping[int, Place]):
    """Places of one header told by those of another, and by where a length differs.

    Parameters
    ----------
    base : mapping of tag to place
        In the known header.
    moves : sequence of (offset, shift)
        What begins after `offset` of the known header lies `shift` bytes further in this one.
    lengths : mapping of offset to length
        Of values with another length, by where they begin in the known header.
    """

    def __init__(
        self,
        base: Mapping[int, Place],
        moves: Sequence[tuple[int, int]],
        lengths: Mapping[int, int],
    ) -> None:
        self._base = base
        self.moves = moves
        self.lengths = lengths
        self._from = [offset for offset, _ in moves]

    def __getitem__(self, tag: int) -> Place:
        vr, offset, length = self._base[tag]
        return vr, offset + self.shift_at(offset), self.lengths.get(offset, length)

    def shift_at(self, offset: int) -> int:
        """Return how much further than in the known header a value lies."""
        return self.moves[bisect_left(self._from, offset) - 1][1]

    def __contains__(self, tag: object) -> bool:
        return tag in self._base

    def __iter__(self) -> Iterator[int]:
        return iter(self._base)

    def __len__(self) -> int:
        return len(self._base)


class HeaderLayout:
    """How a header is laid out, to scan others like it."""

    def __init__(self, known: ScannedHeader) -> None:
        self._known = known
        steps = list(known.steps)
        if known.explicit:
            inside = {value for _, value, _ in steps}
            steps += [
                (value - _PLAIN_HEAD_BYTES, value, length)
                for _, value, length in known.places.values()
                if value not in inside
            ]
        self._steps = sorted(steps)
        ends = [value + (0 if n == UNDEFINED else n) for _, value, n in self._steps]
        #: An element that is there twice has one place only: nothing may follow such a header.
        self._gapless = ends[:-1] == [offset for offset, _, _ in self._steps[1:]]
        sizes = np.array([value - offset for offset, value, _ in self._steps])
        #: Where the head of each element begins among all bytes of heads.
        self._heads = np.cumsum(sizes) - sizes
        begins = np.array([offset for offset, _, _ in self._steps])
        self._offsets = np.repeat(begins - self._heads, sizes) + np.arange(sizes.sum())
        self._bytes = np.frombuffer(known.start, np.uint8)[self._offsets]
        self._meta_end = int(begins[0])

    def follow(self, start: bytes) -> ScannedHeader | None:
        """Return what `scan_header` gives for a header laid out like the known one, else None."""
        try:
            return self._follow(start) if self._gapless else None
        except (NotForUsError, struct.error):
            return None

    def _follow(self, start: bytes) -> ScannedHeader | None:
        known = self._known
        syntax, sop_class, end = scan_meta(start)
        if (syntax, sop_class) != (known.syntax, known.sop_class):
            return None
        places = self._places(start, end - self._meta_end)
        if places is None:
            return None
        _, value, length = self._steps[-1]
        _, shift = places.moves[-1]
        length = places.lengths.get(value, length)
        unmoved = not places.lengths and not shift
        found = known.places if unmoved else places
        return ScannedHeader(
            value + shift, length, start, found, known.private, syntax, sop_class, ()
        )

    def differing(self, found: ScannedHeader, watched: Sequence[Watched]) -> list[int]:
        """Return the tags of those values of the known header that this one has otherwise.

        Parameters
        ----------
        found : ScannedHeader
            From `follow`.
        watched : sequence of Watched
            Of the known header.
        """
        if not isinstance(found.places, MovedPlaces):
            return [tag for tag, begin, end, value in watched if found.start[begin:end] != value]
        lengths, shift_at = found.places.lengths, found.places.shift_at
        return [
            tag
            for tag, begin, end, value in watched
            if begin in lengths
            or found.start[(moved := begin + shift_at(begin)) : moved + end - begin] != value
        ]

    def _places(self, start: bytes, shift: int) -> MovedPlaces | None:
        header = np.frombuffer(start, np.uint8)
        moves, lengths, step = [(-1, shift)], dict[int, int](), 0
        last = len(self._steps) - 1
        while len(moves) <= _MAX_MOVES:
            differs = self._first_difference(header, step, shift)
            if differs is None:
                return MovedPlaces(self._known.places, moves, lengths)
            step = differs
            length = self._another_length(start, step, shift)
            if length is None:
                return None
            _, value, before = self._steps[step]
            lengths[value] = length
            if step == last:
                # Nothing is looked at behind the length of the pixels.
                return MovedPlaces(self._known.places, moves, lengths)
            shift += length - before
            moves.append((value, shift))
            step += 1
        return None

    def _first_difference(
        self, header: np.ndarray[tuple[int], np.dtype[np.uint8]], step: int, shift: int
    ) -> int | None:
        """Return the first element from `step` on whose head differs; it must lie in `header`."""
        first = self._heads[step]
        offsets = self._offsets[first:] + shift if shift else self._offsets[first:]
        if offsets[-1] >= len(header) or offsets[0] < 0:
            raise NotForUsError
        same = header[offsets] == self._bytes[first:]
        if same.all():
            return None
        at = first + same.argmin()
        return int(np.searchsorted(self._heads, at, side="right")) - 1

    def _another_length(self, start: bytes, step: int, shift: int) -> int | None:
        """Return the length of an element if no more than that differs."""
        offset, value, before = self._steps[step]
        explicit = self._known.explicit
        was = read_element(self._known.start, offset, explicit=explicit)
        now = read_element(start, offset + shift, explicit=explicit)
        # The first element also tells whether implicit VR is stated wrongly.
        if step == 0 or was[:2] != now[:2] or UNDEFINED in (before, now[2]):
            return None
        return now[2] if now[3] == value + shift else None
