"""Search bytes for identifiers that should not be there: the dictionary, and generic forms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import ahocorasick
from stdnum.cn import ric

from schemas.run.sites import SITE_CODE_PATTERN
from tasks.deidentify.identifiers import IdentifierKind, SubjectIdentifiers, merge_identifiers
from tasks.deidentify.search.needles import Edge, Needle, needles_of

_RESIDENT_ID = re.compile(r"(?<![0-9A-Za-z.])\d{17}[\dXx](?![0-9A-Za-z.])")
_MOBILE = re.compile(r"(?<![0-9A-Za-z.+])(?:\+?86[- ]?)?1[3-9]\d{9}(?![0-9A-Za-z.])")

#: What the automaton holds of a pattern.
_BEGIN_BYTES = 12
#: BIDS labels have no hyphen.
_PSEUDONYM = re.compile(rf"({SITE_CODE_PATTERN})-?([A-Z2-7]{{8}})")


@dataclass(frozen=True, order=True)
class Match:
    """That an identifier was found: its kind and whose it is, never the value.

    `one_word` says that it is one Latin word without a digit.
    """

    kind: IdentifierKind
    subject_id: str
    one_word: bool = False


class Dictionary:
    """All identifiers of a set of people, ready to search (restricted: never written)."""

    def __init__(self, subjects: Iterable[SubjectIdentifiers]) -> None:
        people = merge_identifiers(subjects)
        self.subject_ids = frozenset(p.subject_id for p in people)
        self._exact, self._folded = _Patterns(), _Patterns()
        for person in people:
            for needle in set(needles_of(person)):
                (self._folded if needle.folded else self._exact).add(needle)
        self.longest = max(self._exact.longest, self._folded.longest)
        self._exact.close()
        self._folded.close()

    def search(self, data: bytes, owner: str | None = None) -> frozenset[Match]:
        """Return what is found in bytes that belong to `owner`, or to nobody in particular."""
        if not data:
            return frozenset()
        return self._exact.search(data, owner) | self._folded.search(data.lower(), owner)

    def owner_of(self, text: str) -> str | None:
        """Return the one pseudonym that occurs in a text, such as a path."""
        named = {f"{site}-{code}" for site, code in _PSEUDONYM.findall(text)}
        owners = named & self.subject_ids
        return owners.pop() if len(owners) == 1 else None


class _Patterns:
    """Patterns to search for at once: an automaton finds how they begin, a look-up the rest.

    A node of the automaton takes 48 bytes, and a UID in three encodings 200 of them: 9 kB for
    every file of a delivery. The UIDs of a study begin alike, so that beginnings are few.
    """

    def __init__(self) -> None:
        #: Beginning → whole pattern → what it stands for.
        self._by_begin: dict[bytes, dict[bytes, list[Needle]]] = {}
        self._automaton = ahocorasick.Automaton()
        self.longest = 0

    def add(self, needle: Needle) -> None:
        """Take in a needle that is not there yet."""
        whole = needle.pattern
        wholes = self._by_begin.setdefault(whole[:_BEGIN_BYTES], {})
        wholes.setdefault(whole, []).append(needle)
        self.longest = max(self.longest, len(whole))

    def close(self) -> None:
        """Make ready to search; nothing can be added any more."""
        for begin, wholes in self._by_begin.items():
            lengths = sorted({len(whole) for whole in wholes})
            self._automaton.add_word(begin.decode("latin-1"), (len(begin), lengths, wholes))
        self._by_begin = {}
        if len(self._automaton):
            self._automaton.make_automaton()

    def search(self, data: bytes, owner: str | None) -> frozenset[Match]:
        """Return what is found in bytes that belong to `owner`, or to nobody in particular."""
        found: set[Match] = set()
        if not len(self._automaton):
            return frozenset()
        text = data.decode("latin-1")
        for last, (n_begin, lengths, wholes) in self._automaton.iter(text):
            start = last - n_begin + 1
            for length in lengths:
                if start + length > len(data):
                    break
                for needle in wholes.get(data[start : start + length], ()):
                    if needle.own_only and needle.subject_id != owner:
                        continue
                    match = Match(needle.kind, needle.subject_id, needle.one_word)
                    if match not in found and stands_alone(text, start + length - 1, needle):
                        found.add(match)
        return frozenset(found)


def search_generic(data: bytes) -> frozenset[Match]:
    """Return whether text holds a valid resident ID number (GB 11643) or a mobile number.

    Meant for decoded text: in compressed bytes digits mean nothing.
    """
    text = data.decode("latin-1")
    found = set()
    if any(ric.is_valid(m.group().upper()) for m in _RESIDENT_ID.finditer(text)):
        found.add(Match(IdentifierKind.RESIDENT_ID, ""))
    if _MOBILE.search(text):
        found.add(Match(IdentifierKind.PHONE, ""))
    return frozenset(found)


def stands_alone(text: str, end: int, needle: Needle) -> bool:
    """Return whether a needle that ends at `end` is a word or number, and no part of one."""
    start = end - len(needle.pattern) + 1
    before, after = text[start - 1 : start], text[end + 1 : end + 2]
    if needle.edge is Edge.WORD:
        return not (_is_letter(before) or _is_letter(after))
    if needle.edge is Edge.NONE:
        return True
    # Padding with zeros does not hide a number; a decimal point before it makes it no number.
    while before == "0" and needle.edge is Edge.NUMBER:
        start -= 1
        before = text[start - 1 : start]
    fraction = before == "." and text[start - 2 : start - 1].isdigit()
    if _is_digit(before) or (fraction and needle.kind is not IdentifierKind.UID):
        return False
    # A date may be followed by the time of day, so only what stands before it counts.
    return needle.edge is Edge.DATE or not _is_digit(after)


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _is_digit(character: str) -> bool:
    return character.isascii() and character.isdigit()
