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
    PIXEL_DATA,
    TRANSFER_SYNTAX,
    Encoding,
    Place,
    is_dicom,
)
from schemas.dicom.known_runs import KnownRuns, Move, can_be_cut_at, is_meta, place_of
from schemas.dicom.scan_errors import ScanError

_Bytes: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint8]]
#: More elements of another length than this: it is another series.
_MOST_MOVES = 32


class Followed(NamedTuple):
    """What a file is beside the known one: where its elements stand, and which have other bytes.

    `places` are by tag, file meta among them. Pixels do not count as changed: only their place
    is told, which may lie beyond the bytes at hand.
    """

    places: Mapping[int, Place]
    changed: tuple[int, ...]


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
        self._body = next(at for at, place in enumerate(self._places) if not is_meta(place.tag))
        self._differed = set[int]()
        self._runs: KnownRuns | None = None

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
        found = self._runs.follow(data) if self._runs is not None else None
        if found is None:
            found = self._compared(data)
        if found is None:
            return None
        steps, moves = found
        places = MovedPlaces(self.places, moves) if moves else self.places
        known = self._places
        return Followed(places, tuple([known[step].tag for step in steps]))

    def _compared(self, data: bytes) -> tuple[list[int], list[Move]] | None:
        """Compare all of a header: which steps have other bytes, and which move those behind."""
        try:
            moves = self._moves(data)
        except ScanError:
            return None
        if moves is None:
            return None
        changed = [s for s in self._changed(data, moves) if self._places[s].tag != PIXEL_DATA]
        if any(self._places[step].tag == TRANSFER_SYNTAX for step in changed):
            return None
        self._cut_at(changed)
        return changed, moves

    def _cut_at(self, steps: Iterable[int]) -> None:
        """Expect the next files to differ here too: what lies between is compared as one."""
        cut = {s for s in steps if can_be_cut_at(self._places[s], self._encoding)}
        if self._runs is None or not cut <= self._differed:
            self._differed |= cut
            self._runs = KnownRuns(self._start, self._places, self._differed, self._encoding)

    def _moves(self, data: bytes) -> list[Move] | None:
        file, moves = np.frombuffer(data, np.uint8), list[Move]()
        step, shift = 0, 0
        while step < len(self._places):
            differs = self._first_difference(file, step, shift)
            if differs is None:
                return moves
            known = self._places[differs]
            place = place_of(data, known.tag, known.start + shift, self._encoding)
            if place[:2] != known[:2] or place.undefined_length != known.undefined_length:
                return None
            # The first element also tells whether implicit VR is stated wrongly.
            if len(moves) == _MOST_MOVES or (differs == self._body and not self._encoding.explicit):
                return None
            shift = place.end - known.end
            moves.append(Move(differs, place, shift))
            step = differs + 1
        return moves

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

    def _changed(self, data: bytes, moves: Sequence[Move]) -> list[int]:
        """Return the steps of elements with other bytes, in the order of the file."""
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
        return sorted(set(changed))

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.array([p.start for p in self._places])


class MovedPlaces(Mapping[int, Place]):
    """Places of one file told by those of another, and by where a length differs."""

    def __init__(self, known: Mapping[int, Place], moves: Sequence[Move]) -> None:
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
        moved = (tag, vr, start + shift, begin + shift, end + shift, undefined)
        return tuple.__new__(Place, moved)  # by its own constructor it takes twice as long

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
