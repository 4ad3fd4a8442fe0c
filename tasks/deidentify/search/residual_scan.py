"""Search bytes for identifiers that should not be there: the dictionary, and generic forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import ahocorasick
from stdnum.cn import ric

from schemas.run.sites import SITE_CODE_PATTERN
from tasks.deidentify.identifiers import IdentifierKind, SubjectIdentifiers, merge_identifiers
from tasks.deidentify.search.needles import Edge, Needle, needles_of
from tasks.deidentify.search.uid_table import UidBegins, UidTable

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
        people = merge_identifiers(subjects)
        self._uids = UidTable()
        needles = {needle for person in people for needle in needles_of(self._without_uids(person))}
        self.subject_ids = frozenset(p.subject_id for p in people)
        self.longest = max([self._uids.longest, *(len(n.pattern) for n in needles)])
        begins = self._uids.beginnings()
        self._exact = _automaton(((n.pattern, n) for n in needles if not n.folded), begins)
        self._folded = _automaton((n.pattern, n) for n in needles if n.folded)

    def _without_uids(self, person: SubjectIdentifiers) -> SubjectIdentifiers:
        """Put the UIDs of a person into the table; the others are searched by needles."""
        others = (
            one
            for one in person.identifiers
            if one.kind is not IdentifierKind.UID
            or not self._uids.take(one.value, person.subject_id)
        )
        return replace(person, identifiers=frozenset(others))

    def search(self, data: bytes, owner: str | None = None) -> frozenset[Match]:
        """Return what is found in bytes that belong to `owner`, or to nobody in particular."""
        if not data:
            return frozenset()
        exact = self._search(self._exact, data.decode("latin-1"), owner)
        return exact | self._search(self._folded, data.lower().decode("latin-1"), owner)

    def _search(
        self, automaton: ahocorasick.Automaton | None, text: str, owner: str | None
    ) -> frozenset[Match]:
        found: set[Match] = set()
        for end, needle in self._standing(automaton, text):
            if needle.own_only and needle.subject_id != owner:
                continue
            match = Match(needle.kind, needle.subject_id, needle.one_word)
            if match not in found and _stands_alone(text, end, needle):
                found.add(match)
        return frozenset(found)

    def _standing(
        self, automaton: ahocorasick.Automaton | None, text: str
    ) -> Iterator[tuple[int, Needle]]:
        """Yield each needle that stands in a text, and where it ends."""
        for end, several in automaton.iter(text) if automaton is not None else ():
            for one in several:
                if isinstance(one, UidBegins):
                    yield from self._uids.found_at(text, end, one)
                else:
                    yield end, one

    def owner_of(self, text: str) -> str | None:
        """Return the one pseudonym that occurs in a text, such as a path."""
        named = {f"{site}-{code}" for site, code in _PSEUDONYM.findall(text)}
        owners = named & self.subject_ids
        return owners.pop() if len(owners) == 1 else None


def _automaton(*sought: Iterable[tuple[bytes, Needle | UidBegins]]) -> ahocorasick.Automaton | None:
    by_pattern: dict[bytes, list[Needle | UidBegins]] = {}
    for pattern, one in chain(*sought):
        by_pattern.setdefault(pattern, []).append(one)
    if not by_pattern:
        return None
    automaton = ahocorasick.Automaton()
    for pattern, same in by_pattern.items():
        automaton.add_word(pattern.decode("latin-1"), tuple(same))
    automaton.make_automaton()
    return automaton


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


def _stands_alone(text: str, end: int, needle: Needle) -> bool:
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
