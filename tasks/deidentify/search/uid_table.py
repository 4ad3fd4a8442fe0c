"""UIDs to search for, millions of them: by their beginnings first, then in a table.

A cohort of nine million images has as many UIDs of objects. A pattern for each, in three
encodings, took kilobytes of memory each and most of the time of making a dictionary. Those of a
scanner begin alike, so a text is searched for the few beginnings; only where one stands, what
follows is looked up. What is found is the same, at the same places.

Nor is a text of each in memory: of a UID 16 bytes of its digest and whose it is are kept, in one
array, and a bit of a filter, by which nearly all that is none of them is told at once.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

import ahocorasick
import numpy as np
from numpy.typing import NDArray

from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.needles import Edge, Needle
from tasks.deidentify.search.pattern_table import found_in_pieces

_PLAIN_UID = re.compile(r"[0-9.]+")
#: Characters of a beginning: the most that leave few of them, else the fewest.
_BEGINNINGS, _FEW = (16, 12, 8), 50_000


#: Bits of the filter for each UID: one in sixteen texts that are none of them passes.
_FILTER_BITS = 16
_PIECE = 1 << 16
#: Half a digest as it stands in memory, on every machine alike.
_HALF = np.dtype("<u8")


class _Taken(NamedTuple):
    """What was taken in: digests one after another, places in the filter, owners."""

    digests: bytearray
    places: array[int]
    owners: array[int]


class _Begins(NamedTuple):
    """A beginning of UIDs in one encoding, as it may be found in a text."""

    encoding: str
    n_bytes: int


#: How a UID goes on, from its first byte, and where in it the characters stand.
_RUNS = {
    "utf-8": (re.compile("[0-9.]+"), slice(None, None, 1)),
    "utf-16-le": (re.compile("(?:[0-9.]\0)+"), slice(0, None, 2)),
    "utf-16-be": (re.compile("(?:\0[0-9.])+"), slice(1, None, 2)),
}


class UidTable:
    """UIDs and whose they are (restricted: never written)."""

    def __init__(self) -> None:
        self._subjects: dict[str, int] = {}
        self._taken = _Taken(bytearray(), array("I"), array("I"))
        self._digests, self._rests = np.empty(0, np.uint64), np.empty(0, np.uint64)
        self._owners = np.empty(0, np.uint32)
        self._filter = np.zeros(1, np.uint8)
        self._lengths: list[int] = []
        self._begins: dict[int, set[str] | None] = {size: set() for size in _BEGINNINGS}
        self._automaton = ahocorasick.Automaton()

    def taken_from(self, person: SubjectIdentifiers) -> SubjectIdentifiers:
        """Take in the UIDs of a person, and return the person without them.

        One that is too short, or no plain UID, stays and is a needle's task.
        """
        mine = {one for one in person.identifiers if _is_plain(one)}
        number = self._subjects.setdefault(person.subject_id, len(self._subjects))
        lengths = set(self._lengths)
        for _, uid in mine:
            self._taken.digests.extend(_digest(uid))
            self._taken.places.append(crc32(uid.encode()))
            self._taken.owners.append(number)
            lengths.add(len(uid))
        self._lengths = sorted(lengths)
        for size, begins in self._begins.items():
            if begins is not None:
                begins.update(uid[:size] for _, uid in mine)
                if len(begins) > _FEW and size != min(_BEGINNINGS):
                    self._begins[size] = None
        return replace(person, identifiers=person.identifiers - mine)

    def close(self) -> None:
        """Make ready to search; nothing can be taken in any more."""
        taken, self._taken = self._taken, _Taken(bytearray(), array("I"), array("I"))
        self._filter = _filter_of(np.frombuffer(taken.places, np.uint32))
        halves = np.frombuffer(taken.digests, _HALF).reshape(-1, 2)
        order = np.argsort(halves[:, 0], kind="stable").astype(np.uint32)
        self._digests = np.ascontiguousarray(halves[order, 0])
        self._rests = np.ascontiguousarray(halves[order, 1])
        self._owners = np.frombuffer(taken.owners, np.uint32)[order]
        for text in self.beginnings():
            for encoding in _RUNS:
                pattern = text.encode(encoding)
                begins = _Begins(encoding, len(pattern))
                self._automaton.add_word(pattern.decode("latin-1"), begins)
        if len(self._automaton):
            self._automaton.make_automaton()

    @property
    def longest(self) -> int:
        """Bytes of the longest UID in the longest encoding."""
        return 2 * max(self._lengths, default=0)

    def beginnings(self) -> list[str]:
        """Return what is searched for in stead of the UIDs; a short one is its own beginning."""
        few = (one for one in self._begins.values() if one is not None and len(one) <= _FEW)
        return sorted(next(few, None) or self._begins[min(_BEGINNINGS)] or ())

    def standing_in(self, text: str) -> Iterator[tuple[int, Needle]]:
        """Yield each UID that stands in a text, and the place of its last byte.

        Parameters
        ----------
        text : str
            The bytes searched, as Latin-1.
        """
        longest = 2 * max(_BEGINNINGS)
        for end, begins in found_in_pieces(self._automaton, text, longest):
            yield from self._beginning_at(text, end - begins.n_bytes + 1, begins.encoding)

    def _owners_of(self, uid: str) -> list[str]:
        place = crc32(uid.encode()) & (8 * len(self._filter) - 1)
        if not self._filter[place >> 3] >> (place & 7) & 1:
            return []
        digest = _digest(uid)
        high, rest = (int.from_bytes(digest[at : at + 8], "little") for at in (0, 8))
        wanted = np.array([high], np.uint64)
        first = int(np.searchsorted(self._digests, wanted, "left")[0])
        last = int(np.searchsorted(self._digests, wanted, "right")[0])
        same = self._rests[first:last] == np.uint64(rest)
        names = list(self._subjects)
        return [names[number] for number in sorted(set(self._owners[first:last][same].tolist()))]

    def _beginning_at(self, text: str, start: int, encoding: str) -> Iterator[tuple[int, Needle]]:
        run, characters = _RUNS[encoding]
        going_on = run.match(text, start)
        if going_on is None:
            return
        candidate = going_on.group()[characters]
        for length in self._lengths:
            uid = candidate[:length]
            if len(uid) < length:
                return
            for subject_id in self._owners_of(uid):
                needle = Needle(
                    folded=False,
                    pattern=uid.encode(encoding),
                    kind=IdentifierKind.UID,
                    subject_id=subject_id,
                    own_only=False,
                    edge=Edge.NUMBER,
                )
                yield start + length * characters.step - 1, needle


def _filter_of(places: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return the bits that are set of UIDs, eight a byte; made in pieces."""
    n_bits = 1 << max(3, (_FILTER_BITS * len(places)).bit_length())
    found = np.zeros(n_bits >> 3, np.uint8)
    for start in range(0, len(places), _PIECE):
        piece = places[start : start + _PIECE] & np.uint32(n_bits - 1)
        bits = np.left_shift(np.uint8(1), (piece & np.uint32(7)).astype(np.uint8))
        np.bitwise_or.at(found, piece >> np.uint32(3), bits)
    return found


def _digest(uid: str) -> bytes:
    return blake2b(uid.encode(), digest_size=16).digest()


def _is_plain(one: Identifier) -> bool:
    return (
        one.kind is IdentifierKind.UID
        and len(one.value) >= min(_BEGINNINGS)
        and _PLAIN_UID.fullmatch(one.value) is not None
    )
