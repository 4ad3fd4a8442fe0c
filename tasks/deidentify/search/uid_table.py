"""UIDs to search for, millions of them: by their beginnings first, then in a table.

A cohort of nine million images has as many UIDs of objects. A pattern for each, in three
encodings, took kilobytes of memory each and most of the time of making a dictionary. Those of a
scanner begin alike, so a text is searched for the few beginnings; only where one stands, what
follows is looked up. What is found is the same, at the same places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import ahocorasick

from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.needles import Edge, Needle

_PLAIN_UID = re.compile(r"[0-9.]+")
#: Characters of a beginning: the most that leave few of them, else the fewest.
_BEGINNINGS, _FEW = (16, 12, 8), 50_000


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
        self._owners: dict[str, tuple[str, ...]] = {}
        #: The owners of all UIDs that one person, or the same few, have: told once.
        self._same: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._lengths: list[int] = []
        self._automaton = ahocorasick.Automaton()

    def taken_from(self, person: SubjectIdentifiers) -> SubjectIdentifiers:
        """Take in the UIDs of a person, and return the person without them.

        One that is too short, or no plain UID, stays and is a needle's task.
        """
        others = set[Identifier]()
        for one in person.identifiers:
            if not _is_plain(one):
                others.add(one)
                continue
            known = self._owners.get(one.value, ())
            if person.subject_id not in known:
                owners = (*known, person.subject_id)
                self._owners[one.value] = self._same.setdefault(owners, owners)
        return replace(person, identifiers=frozenset(others))

    def close(self) -> None:
        """Make ready to search; nothing can be taken in any more."""
        self._lengths = sorted({len(uid) for uid in self._owners})
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
        return 2 * max(map(len, self._owners), default=0)

    def beginnings(self) -> list[str]:
        """Return what is searched for in stead of the UIDs; a short one is its own beginning."""
        sizes = ({uid[:size] for uid in self._owners} for size in _BEGINNINGS)
        few = next((found for found in sizes if len(found) <= _FEW), None)
        return sorted({uid[: _BEGINNINGS[-1]] for uid in self._owners} if few is None else few)

    def standing_in(self, text: str) -> Iterator[tuple[int, Needle]]:
        """Yield each UID that stands in a text, and the place of its last byte.

        Parameters
        ----------
        text : str
            The bytes searched, as Latin-1.
        """
        for end, begins in self._automaton.iter(text) if len(self._automaton) else ():
            yield from self._beginning_at(text, end - begins.n_bytes + 1, begins.encoding)

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
            for subject_id in self._owners.get(uid, ()):
                needle = Needle(
                    folded=False,
                    pattern=uid.encode(encoding),
                    kind=IdentifierKind.UID,
                    subject_id=subject_id,
                    own_only=False,
                    edge=Edge.NUMBER,
                )
                yield start + length * characters.step - 1, needle


def _is_plain(one: Identifier) -> bool:
    return (
        one.kind is IdentifierKind.UID
        and len(one.value) >= min(_BEGINNINGS)
        and _PLAIN_UID.fullmatch(one.value) is not None
    )
