"""Find what differs between a file and one of its series that was scanned before.

Files of one series have the same elements in the same order; a few values differ, some of them
in length. Where a scan goes is decided by tags, VRs and lengths alone. So these are compared
with those of the known file, all at once, and a value of another length only moves what
follows it. Then the values are compared, byte by byte: an element that is not named as changed
is the very element of the known file. Nothing is guessed and nothing need be learned from a
second file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np

from schemas.dicom.elements import (
    META_ENCODING,
    PIXEL_DATA,
    TRANSFER_SYNTAX,
    Encoding,
    Place,
    Scanner,
    is_dicom,
)
from schemas.dicom.scan_errors import ScanError

_Bytes: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint8]]
_META_GROUP = 2
#: More elements of another length than this: it is another series.
_MOST_MOVES = 32


class Followed(NamedTuple):
    """What a file is beside the known one: where its elements stand, and which have other bytes.

    `places` are by tag, file meta among them. Pixels do not count as changed: only their place
    is told, which may lie beyond the bytes at hand.
    """

    places: Mapping[int, Place]
    changed: tuple[int, ...]


class _Move(NamedTuple):
    """An element that was read again; what stands behind it in the known file is `shift` on."""

    step: int
    place: Place
    shift: int


class KnownHeader:
    """The header of a scanned file, to tell others of its series by (restricted: its bytes).

    Parameters
    ----------
    data : bytes
        The file.
    places : iterable of Place
        What a scan found, of file meta and data set; see `can_be_known`.
    encoding : Encoding
        Of the data set.
    """

    def __init__(self, data: bytes, places: Iterable[Place], encoding: Encoding) -> None:
        self._encoding = encoding
        self._places = tuple(places)
        self._start = data[: self._places[-1].begin]
        self._body = next(at for at, place in enumerate(self._places) if not _is_meta(place.tag))

    @property
    def n_bytes(self) -> int:
        """Size of what is kept."""
        return len(self._start)

    @cached_property
    def places(self) -> Mapping[int, Place]:
        """Where the elements stand in the known file, by tag."""
        return {place.tag: place for place in self._places}

    def follow(self, data: bytes) -> Followed | None:
        """Return how a file differs, None for one that is laid out otherwise.

        Parameters
        ----------
        data : bytes
            The file, or as much of it as holds all before the pixels.
        """
        if not is_dicom(data):
            return None
        try:
            moves = self._moves(data)
        except ScanError:
            return None
        if moves is None:
            return None
        changed = self._changed(data, moves)
        if TRANSFER_SYNTAX in changed:
            return None
        places = MovedPlaces(self.places, moves) if moves else self.places
        return Followed(places, changed)

    def _moves(self, data: bytes) -> list[_Move] | None:
        file, moves = np.frombuffer(data, np.uint8), list[_Move]()
        step, shift = 0, 0
        while step < len(self._places):
            differs = self._first_difference(file, step, shift)
            if differs is None:
                return moves
            known = self._places[differs]
            place = self._place(data, known.tag, known.start + shift)
            if place[:2] != known[:2] or place.undefined_length != known.undefined_length:
                return None
            # The first element also tells whether implicit VR is stated wrongly.
            if len(moves) == _MOST_MOVES or (differs == self._body and not self._encoding.explicit):
                return None
            shift = place.end - known.end
            moves.append(_Move(differs, place, shift))
            step = differs + 1
        return moves

    def _place(self, data: bytes, tag: int, start: int) -> Place:
        encoding = META_ENCODING if _is_meta(tag) else self._encoding
        return Scanner(data, encoding, outline=True).place(start, len(data))

    @cached_property
    def _heads(self) -> tuple[np.ndarray, np.ndarray, _Bytes]:
        """Return where each head begins among all bytes of heads, where those are, and what.

        Made when the next file comes: many a known one is followed by none like it. The end of
        a sequence of undefined length is decided by all of its bytes.
        """
        begins = np.array([p.start for p in self._places])
        ends = np.array(
            [p.end if p.undefined_length and p.tag != PIXEL_DATA else p.begin for p in self._places]
        )
        sizes = ends - begins
        first = np.cumsum(sizes) - sizes
        offsets = np.repeat(begins - first, sizes) + np.arange(sizes.sum())
        return first, offsets, np.frombuffer(self._start, np.uint8)[offsets]

    def _first_difference(self, file: _Bytes, step: int, shift: int) -> int | None:
        """Return the first element from `step` on whose head is another."""
        heads, all_offsets, known = self._heads
        first = heads[step]
        offsets = all_offsets[first:] + shift if shift else all_offsets[first:]
        if offsets[-1] >= len(file) or offsets[0] < 0:
            raise ScanError("the header is longer than what is at hand")
        same = file[offsets] == known[first:]
        if same.all():
            return None
        at = first + same.argmin()
        return int(np.searchsorted(heads, at, side="right")) - 1

    def _changed(self, data: bytes, moves: Sequence[_Move]) -> tuple[int, ...]:
        """Return the tags of elements with other bytes, in the order of the file."""
        changed, step, shift = [move.step for move in moves], 0, 0
        for last, behind in (*((m.step, m) for m in moves), (len(self._places) - 1, None)):
            begin, end = self._places[step].start, self._places[last].start
            known, found = self._start[begin:end], data[begin + shift : end + shift]
            if known != found:
                differs = np.frombuffer(known, np.uint8) != np.frombuffer(found, np.uint8)
                by_step = np.logical_or.reduceat(differs, self._starts[step:last] - begin)
                changed += (np.flatnonzero(by_step) + step).tolist()
            if behind is None or last == len(self._places) - 1:
                break
            step, shift = last + 1, behind.shift
        tags = (self._places[step].tag for step in sorted(set(changed)))
        return tuple(tag for tag in tags if tag != PIXEL_DATA)

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.array([p.start for p in self._places])


class MovedPlaces(Mapping[int, Place]):
    """Places of one file told by those of another, and by where a length differs."""

    def __init__(self, known: Mapping[int, Place], moves: Sequence[_Move]) -> None:
        self._known = known
        self._own = {move.place.tag: move.place for move in moves}
        self._shifts = (0, *(move.shift for move in moves))
        # Where the moved elements begin in the known file: all behind them is shifted.
        self._from = [known[move.place.tag].start for move in moves]

    def __getitem__(self, tag: int) -> Place:
        own = self._own.get(tag)
        if own is not None:
            return own
        _, vr, start, begin, end, undefined = self._known[tag]
        shift = self._shifts[bisect_right(self._from, start)]
        return Place(tag, vr, start + shift, begin + shift, end + shift, undefined)

    def __contains__(self, tag: object) -> bool:
        return tag in self._known

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def can_be_known(data: bytes, places: Sequence[Place]) -> bool:
    """Return whether other files can be told by one: a preamble, no element twice, pixels last."""
    tags = {place.tag for place in places}
    return is_dicom(data) and len(tags) == len(places) > 0 and places[-1].tag == PIXEL_DATA


def _is_meta(tag: int) -> bool:
    return tag >> 16 == _META_GROUP
