"""Search bytes for identifiers that should not be there: the dictionary, and generic forms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stdnum.cn import ric

from schemas.run.sites import SITE_CODE_PATTERN
from tasks.deidentify.identifiers import IdentifierKind, SubjectIdentifiers, merge_identifiers
from tasks.deidentify.search.needles import Edge, Needle, needles_of_all
from tasks.deidentify.search.pattern_table import PatternTable
from tasks.deidentify.search.uid_table import UidTable

_RESIDENT_ID = re.compile(r"(?<![0-9A-Za-z.])\d{17}[\dXx](?![0-9A-Za-z.])")
_MOBILE = re.compile(r"(?<![0-9A-Za-z.+])(?:\+?86[- ]?)?1[3-9]\d{9}(?![0-9A-Za-z.])")
#: What each of the two holds: digits in one run, which begins as they may. To look for that
#: first is many times as fast, and most long numbers are parts of UIDs.
_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z.])\d{11,}")
#: Before the run may stand `+86-` and what must not; behind it an X and what must not.
_STANDS_BEFORE, _STANDS_BEHIND = 5, 2


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
        # One after another: of millions of UIDs the texts are not all there at once.
        self._uids = UidTable()
        people = merge_identifiers(map(self._uids.taken_from, subjects))
        self._uids.close()
        self._exact, self._folded = PatternTable(folded=False), PatternTable(folded=True)
        for needle, owners in needles_of_all(people):
            (self._folded if needle.folded else self._exact).add(needle, owners)
        self._exact.close()
        self._folded.close()
        self.subject_ids = frozenset(p.subject_id for p in people)
        self.longest = max(self._uids.longest, self._exact.longest, self._folded.longest)

    def search(self, data: bytes, owner: str | None = None) -> frozenset[Match]:
        """Return what is found in bytes that belong to `owner`, or to nobody in particular."""
        if not data:
            return frozenset()
        text = data.decode("latin-1")
        exact = _search(self._exact, text, owner) | self._search_uids(text)
        del text  # a file may be long
        return exact | _search(self._folded, data.lower().decode("latin-1"), owner)

    def _search_uids(self, text: str) -> frozenset[Match]:
        standing = self._uids.standing_in(text)
        found = (needle for end, needle in standing if stands_alone(text, end, needle))
        return frozenset(Match(needle.kind, needle.subject_id) for needle in found)

    def owner_of(self, text: str) -> str | None:
        """Return the one pseudonym that occurs in a text, such as a path."""
        named = {f"{site}-{code}" for site, code in _PSEUDONYM.findall(text)}
        owners = named & self.subject_ids
        return owners.pop() if len(owners) == 1 else None


def _search(table: PatternTable, text: str, owner: str | None) -> frozenset[Match]:
    found: set[Match] = set()
    for end, needle, owners in table.standing_in(text):
        whose = owners.intersection([owner]) if needle.own_only else owners
        matches = {Match(needle.kind, one, needle.one_word) for one in whose}
        if not matches <= found and stands_alone(text, end, needle):
            found |= matches
    return frozenset(found)


def search_generic(data: bytes) -> frozenset[Match]:
    """Return whether text holds a valid resident ID number (GB 11643) or a mobile number.

    Meant for decoded text: in compressed bytes digits mean nothing.
    """
    text = data.decode("latin-1")
    found = set()
    for run in _LONG_NUMBER.finditer(text):
        begin, end = run.span()
        about = text[max(0, begin - _STANDS_BEFORE) : end + _STANDS_BEHIND]
        if any(ric.is_valid(m.group().upper()) for m in _RESIDENT_ID.finditer(about)):
            found.add(Match(IdentifierKind.RESIDENT_ID, ""))
        if _MOBILE.search(about):
            found.add(Match(IdentifierKind.PHONE, ""))
    return frozenset(found)


def stands_alone(text: str, end: int, needle: Needle) -> bool:
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
