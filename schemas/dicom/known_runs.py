"""A known header cut at the elements in which files of its series were found to differ.

Between those elements nothing differs, in nearly every file: each such run of bytes is compared
at once, where it stands. A file in which anything else is another, a head or a value, does not
follow its runs; `known_header` then compares all of it, and the runs are cut anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.dicom.plain_runs import HEAD_BYTES, SHORT_VRS, Place
from schemas.dicom.scan_errors import ScanError
from schemas.dicom.scanner import LONG_VRS, META_ENCODING, UNDEFINED_LENGTH, Encoding, Scanner

_META_GROUP = 2
_SHORT_VR_NAMES = frozenset(SHORT_VRS.values())


class Move(NamedTuple):
    """An element that was read again; what stands behind it in the known file is `shift` on."""

    step: int
    place: Place
    shift: int


class _Cut(NamedTuple):
    """A run, and the element behind it: where its length stands, and its value in the known file.

    `headed` is the run with that length, None where the length is not defined: then `length_bytes`
    is 0. `step` is -1 behind the last run, which ends where the pixels begin.
    """

    run: memoryview
    headed: memoryview | None = None
    step: int = -1
    place: Place | None = None
    value: memoryview = memoryview(b"")
    length_bytes: int = 0
    is_little: bool = True
    may_move: bool = True


class KnownRuns:
    """Runs of a known header, to hold files of its series against (restricted: its bytes).

    Parameters
    ----------
    start : bytes
        The known file up to its pixels.
    places : sequence of Place
        Of file meta and data set, the pixels last.
    steps : iterable of int
        Which of them may differ; never the last.
    encoding : Encoding
        Of the data set.
    """

    def __init__(
        self,
        start: bytes,
        places: Sequence[Place],
        steps: Iterable[int],
        encoding: Encoding,
    ) -> None:
        self._encoding = encoding
        self._first = places[0].start
        bytes_of, at, cuts = memoryview(start), self._first, list[_Cut]()
        body = next(i for i, place in enumerate(places) if not is_meta(place.tag))
        for step in sorted(steps):
            place = places[step]
            size = _length_bytes(place, encoding)
            end = place.begin - size if size else place.begin
            little = is_meta(place.tag) or encoding.little
            # The first element also tells whether implicit VR is stated wrongly.
            may_move = encoding.explicit or step != body
            value = bytes_of[place.begin : place.end]
            headed = bytes_of[at : place.begin] if size else None
            cuts.append(_Cut(bytes_of[at:end], headed, step, place, value, size, little, may_move))
            at = place.end
        self._cuts = (*cuts, _Cut(bytes_of[at : places[-1].begin]))

    def follow(self, data: bytes) -> tuple[list[int], list[Move]] | None:
        """Return the steps with other bytes and those of another length; None for another file.

        Parameters
        ----------
        data : bytes
            As for `KnownHeader.follow`.
        """
        position, changed, moves = self._first, list[int](), list[Move]()
        for cut in self._cuts:
            run, headed, step, known, value = cut[:5]
            if headed is not None and data.startswith(headed, position):
                # Most often: as long as in the known file, so nothing behind it moves.
                position += len(headed)
                if not data.startswith(value, position):
                    changed.append(step)
                position += len(value)
                continue
            if not data.startswith(run, position):
                return None
            if known is None:
                break
            place = self._place(data, cut, known, position + len(run))
            if place is None:
                return None
            position = place.end
            if place.end - place.begin != known.end - known.begin:
                if not cut.may_move:
                    return None
                changed.append(step)
                moves.append(Move(step, place, place.end - known.end))
            elif not data.startswith(value, place.begin):
                changed.append(step)
        return changed, moves

    def _place(self, data: bytes, cut: _Cut, known: Place, position: int) -> Place | None:
        """Return where the element behind a run stands; its length, or it, is at `position`."""
        size = cut.length_bytes
        if not size:
            return self._undefined(data, known, position)
        begin = position + size
        length = int.from_bytes(data[position:begin], "little" if cut.is_little else "big")
        return _defined(known, begin, length, len(data))

    def _undefined(self, data: bytes, known: Place, begin: int) -> Place | None:
        try:
            start = begin - (known.begin - known.start)
            place = place_of(data, known.tag, start, self._encoding)
        except ScanError:
            return None
        return place if place.undefined_length and place[:2] == known[:2] else None


def can_be_cut_at(place: Place, encoding: Encoding) -> bool:
    """Return whether the length of an element stands where PS3.5 7.1 has it for its VR."""
    return place.undefined_length or _length_bytes(place, encoding) > 0


def is_meta(tag: int) -> bool:
    """Return whether an attribute is one of file meta."""
    return tag >> 16 == _META_GROUP


def place_of(data: bytes, tag: int, start: int, encoding: Encoding) -> Place:
    """Return the place of the element that starts there, in a data set of this encoding."""
    own = META_ENCODING if is_meta(tag) else encoding
    return Scanner(data, own, outline=True).place(start, len(data))


def _length_bytes(place: Place, encoding: Encoding) -> int:
    """Return how many bytes before its value state the length of an element; 0 where none do."""
    head = place.begin - place.start
    if place.undefined_length:
        return 0
    if not (encoding.explicit or is_meta(place.tag)):
        return 4 if head == HEAD_BYTES else 0
    if head == HEAD_BYTES:
        return 2 if place.vr in _SHORT_VR_NAMES else 0
    return 4 if place.vr in LONG_VRS else 0


def _defined(known: Place, begin: int, length: int, most: int) -> Place | None:
    end = begin + length
    if length == UNDEFINED_LENGTH or end > most:
        return None
    return Place(known.tag, known.vr, begin - (known.begin - known.start), begin, end)
