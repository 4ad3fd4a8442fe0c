"""UIDs to search for, millions of them: by their beginnings first, then in a table.

A cohort of nine million images has as many UIDs of objects. A pattern for each, in three
encodings, took kilobytes of memory each and most of the time of making a dictionary. Those of a
scanner begin alike, so a text is searched for the few beginnings; only where one stands, what
follows is looked up. What is found is the same, at the same places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tasks.deidentify.identifiers import IdentifierKind
from tasks.deidentify.search.needles import Edge, Needle

_PLAIN_UID = re.compile(r"[0-9.]+")
#: Characters of a beginning: the most that leave few of them, else the fewest.
_BEGINNINGS, _FEW = (16, 12, 8), 50_000


class UidBegins(NamedTuple):
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
        self._lengths: list[int] = []

    def take(self, uid: str, subject_id: str) -> bool:
        """Take a UID in; False for one that is too short or no plain UID, and a needle's task."""
        if len(uid) < min(_BEGINNINGS) or _PLAIN_UID.fullmatch(uid) is None:
            return False
        known = self._owners.get(uid, ())
        if subject_id not in known:
            self._owners[uid] = (*known, subject_id)
        return True

    @property
    def longest(self) -> int:
        """Bytes of the longest UID in the longest encoding."""
        return 2 * max(map(len, self._owners), default=0)

    def beginnings(self) -> Iterator[tuple[bytes, UidBegins]]:
        """Close the table, and yield what is to be searched for in its stead."""
        self._lengths = sorted({len(uid) for uid in self._owners})
        # A shorter UID is its own beginning.
        sizes = ({uid[:size] for uid in self._owners} for size in _BEGINNINGS)
        found = next((few for few in sizes if len(few) <= _FEW), None)
        if found is None:
            found = {uid[: _BEGINNINGS[-1]] for uid in self._owners}
        for text in sorted(found):
            for encoding in _RUNS:
                pattern = text.encode(encoding)
                yield pattern, UidBegins(encoding, len(pattern))

    def found_at(self, text: str, end: int, begins: UidBegins) -> Iterator[tuple[int, Needle]]:
        """Yield each UID that stands where a beginning was found, and where it ends.

        Parameters
        ----------
        text : str
            The bytes searched, as Latin-1.
        end : int
            Place of the last byte of the beginning.
        begins : UidBegins
            The beginning.
        """
        run, characters = _RUNS[begins.encoding]
        start = end - begins.n_bytes + 1
        going_on = run.match(text, start)
        if going_on is None:
            return
        candidate = going_on.group()[characters]
        width = characters.step
        for length in self._lengths:
            uid = candidate[:length]
            if len(uid) < length:
                return
            for subject_id in self._owners.get(uid, ()):
                pattern = uid.encode(begins.encoding)
                needle = Needle(
                    folded=False,
                    pattern=pattern,
                    kind=IdentifierKind.UID,
                    subject_id=subject_id,
                    own_only=False,
                    edge=Edge.NUMBER,
                )
                yield start + length * width - 1, needle
