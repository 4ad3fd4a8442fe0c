"""Turn identifiers into the byte patterns to search for, with rules against false alarms.

Where a pattern is searched depends on how telling it is. Long ones are searched everywhere.
Short ones, initials and dates only in that person's own objects: one person's shifted date
may be another's real one. What is shorter still, or is nothing but technique words, says
nothing by itself and is not searched. The limits stand in this module and are tested.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from schemas.dicom.descriptors import clean_descriptor
from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.rules.profile import Action, load_profile
from tasks.deidentify.rules.values import read_date
from tasks.deidentify.search.name_forms import (
    count_wide,
    full_names,
    has_han,
    initials,
    name_groups,
)
from tasks.deidentify.search.own_words import is_own_words
from tasks.deidentify.told_names import COMMENT_WORDS

EVERYWHERE_DIGITS, OWN_DIGITS = 8, 6
EVERYWHERE_LETTERS, OWN_LETTERS = 6, 4
EVERYWHERE_BYTES, OWN_WIDE_CHARACTERS = 6, 2
INITIALS_LETTERS = 3
#: A city or a common word can be the whole name or address of a place.
PLACE_HAN_CHARACTERS, PLACE_LETTERS = 5, 10
_OF_OTHER_SCRIPTS = (
    *("big5", "big5hkscs", "iso2022_jp", "iso2022_jp_2", "euc_kr", "shift_jis", "euc_jp"),
)
#: The single-byte sets of PS3.3 table C.12-2 in which names have letters beyond ASCII.
_OF_ACCENTS = tuple(f"iso8859-{part}" for part in (*range(1, 10), 11, 15))
_LAST_OF_LATIN_1 = "\u00ff"
_OF_OTHER_WIDTH = ("\uff01", "\uffef")
#: Letters that no accent can be taken from.
_LETTERS_NFD_KEEPS = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "œ": "oe", "đ": "d"})
_WRITTEN_BY_US = frozenset(["YES", "DCM", "ISO", "UID", "DICM", "DICOM", "NONE"])


#: What hospitals fill in without naming a patient: `System`, `Standard`, `none`.
_OF_STAFF_AND_PLACES = frozenset(
    [IdentifierKind.PHYSICIAN, IdentifierKind.HOSPITAL, IdentifierKind.ADDRESS]
)


class Edge(StrEnum):
    """What may not stand beside a pattern for it to count."""

    NONE = "none"
    NUMBER = "number"
    DATE = "date"
    WORD = "word"


class Needle(NamedTuple):
    """One byte pattern of one person (restricted); `folded` ones are lower case."""

    folded: bool
    pattern: bytes
    kind: IdentifierKind
    subject_id: str
    own_only: bool
    edge: Edge
    one_word: bool = False


class _Form(NamedTuple):
    text: str
    own_only: bool
    edge: Edge
    folded: bool = False


class _Pattern(NamedTuple):
    folded: bool
    pattern: bytes
    own_only: bool
    edge: Edge


def needles_of(subject: SubjectIdentifiers) -> Iterator[Needle]:
    """Yield the patterns of one person, in every encoding."""
    for needle, _ in needles_of_all([subject]):
        yield needle._replace(subject_id=subject.subject_id)


def needles_of_all(
    subjects: Iterable[SubjectIdentifiers],
) -> Iterator[tuple[Needle, frozenset[str]]]:
    """Yield the patterns of several people, in every encoding, and whose each is.

    The same doctors and wards stand in the headers of everybody: their patterns are made once, and
    name nobody themselves.
    """
    owners: dict[Identifier, list[str]] = {}
    for subject in subjects:
        written_days = _days_written(subject)
        for one in subject.identifiers:
            if one.kind is not IdentifierKind.DATE or one.value not in written_days:
                owners.setdefault(one, []).append(subject.subject_id)
    together: dict[tuple[str, ...], frozenset[str]] = {}
    for identifier in sorted(owners):
        named = tuple(owners[identifier])
        whose = together.setdefault(named, frozenset(named))
        one_word = identifier.value.isascii() and identifier.value.isalpha()
        for p in _patterns(identifier):
            needle = Needle(p.folded, p.pattern, identifier.kind, "", p.own_only, p.edge, one_word)
            yield needle, whose


def _patterns(identifier: Identifier) -> Iterator[_Pattern]:
    for text in _as_typed(identifier.value):
        yield from _patterns_as_typed(identifier._replace(value=text))


def _patterns_as_typed(identifier: Identifier) -> Iterator[_Pattern]:
    ours = is_own_words(identifier.value)
    if ours and identifier.kind in _OF_STAFF_AND_PLACES:
        return
    for form in _forms(identifier):
        for pattern in _encodings(form.text):
            short = not form.text.isascii() and len(pattern) < EVERYWHERE_BYTES
            # A patient called by a word of ours (`Anonymous`) is told by it in what is that
            # person's alone.
            own_only = form.own_only or short or ours
            # What it is searched in is folded byte by byte, whatever the bytes stand for.
            bytes_of = pattern.lower() if form.folded else pattern
            yield _Pattern(form.folded, bytes_of, own_only, form.edge)


def _as_typed(text: str) -> tuple[str, ...]:
    """Return a text, and as another hand types it: in the usual width, without what has none.

    Input methods for Han characters leave letters and digits as wide as these, and Kana half as
    wide; what is copied from a page has marks in it that nobody sees.
    """
    if text.isascii():
        return (text,)
    seen = "".join(c for c in text if c <= _LAST_OF_LATIN_1 or unicodedata.category(c) != "Cf")
    first, last = _OF_OTHER_WIDTH
    if any(first <= c <= last for c in seen):
        seen = unicodedata.normalize("NFKC", seen)
    return (text,) if seen == text else (text, seen)


def _days_written(subject: SubjectIdentifiers) -> frozenset[str]:
    """Return the person's shifted days: a real day equal to one of them is no leak."""
    if subject.shift_days is None:
        return frozenset()
    back = timedelta(days=subject.shift_days)
    days = [read_date(i.value) for i in subject.identifiers if i.kind is IdentifierKind.DATE]
    return frozenset(f"{day - back:%Y%m%d}" for day in days if day is not None)


def _forms(identifier: Identifier) -> Iterator[_Form]:
    kind, value = identifier
    if kind in (IdentifierKind.NAME, IdentifierKind.PHYSICIAN):
        yield from _name_forms(value, with_initials=kind is IdentifierKind.NAME)
    elif kind in (IdentifierKind.DATE, IdentifierKind.BIRTH_DATE):
        yield from _date_forms(value)
    elif kind is IdentifierKind.UID:
        yield _Form(value, own_only=False, edge=Edge.NUMBER)
    elif kind in (IdentifierKind.HOSPITAL, IdentifierKind.ADDRESS):
        yield from _place_forms(value)
    else:
        yield from _text_forms(value)


def _place_forms(text: str) -> Iterator[_Form]:
    han = sum(has_han(c) for c in text)
    common = han < PLACE_HAN_CHARACTERS and sum(c.isalnum() for c in text) < PLACE_LETTERS
    for form in _text_forms(text):
        yield form._replace(own_only=form.own_only or common)


def _name_forms(name: str, *, with_initials: bool) -> Iterator[_Form]:
    for parts in name_groups(name):
        for form in sorted(full_names(parts)):
            yield from _text_forms(form)
        for form in sorted(initials(parts)) if with_initials else ():
            if len(form) >= INITIALS_LETTERS and not is_technique(form):
                yield _Form(form, own_only=True, edge=Edge.WORD)


def _text_forms(text: str) -> Iterator[_Form]:
    if count_wide(text) >= OWN_WIDE_CHARACTERS:
        yield _Form(text, own_only=False, edge=Edge.NONE)
        return
    telling = sum(c.isalnum() for c in text)
    digits = sum(c.isdigit() for c in text) == telling
    everywhere = EVERYWHERE_DIGITS if digits else EVERYWHERE_LETTERS
    if telling < (OWN_DIGITS if digits else OWN_LETTERS) or (not digits and is_technique(text)):
        return
    own_only = telling < everywhere
    if digits:
        yield _Form(text, own_only, Edge.NUMBER)
    else:
        for written in _cases(text):
            yield _Form(written, own_only, Edge.WORD, folded=True)


def _cases(text: str) -> frozenset[str]:
    """Return a text in the cases that bytes do not fold, and without its accents."""
    lower = text.lower()
    if lower.isascii() or _is_misread(text):
        return frozenset({lower})
    bare = unicodedata.normalize("NFD", lower.translate(_LETTERS_NFD_KEEPS))
    plain = "".join(c for c in bare if unicodedata.category(c) != "Mn")
    bare_of = () if is_technique(plain) else (plain,)
    return frozenset({lower, text.upper(), text.title(), *bare_of})


def _is_misread(text: str) -> bool:
    """Return whether letters are bytes of another script read as Latin-1: hardly one is plain."""
    letters = [c for c in text if c.isalpha()]
    return max(text) <= _LAST_OF_LATIN_1 and 2 * sum(map(str.isascii, letters)) < len(letters)


def _date_forms(value: str) -> Iterator[_Form]:
    day = read_date(value)
    if day is None:
        return
    for pattern in ("%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%Y年%m月%d日"):
        yield _Form(f"{day:{pattern}}", own_only=True, edge=Edge.DATE)
    yield _Form(f"{day.year}年{day.month}月{day.day}日", own_only=True, edge=Edge.DATE)


@cache
def is_technique(text: str) -> bool:
    """Return whether a text is nothing but words that our own outputs are made of."""
    upper = text.upper()
    if upper in _WRITTEN_BY_US or upper in _allowed_codes():
        return True
    lists = load_profile().word_lists
    if any(lists[name].has(text) for name in lists if name != COMMENT_WORDS):
        return True
    squeezed = "".join(c for c in text.lower() if c.isalnum())
    return clean_descriptor(text).replace(" ", "") == squeezed


@cache
def _allowed_codes() -> frozenset[str]:
    enums = (r.contract.text for r in load_profile().all_rules() if r.action is Action.KEEP)
    codes = (e.removeprefix("enum:").split("|") for e in enums if e.startswith("enum:"))
    return frozenset(code.upper() for group in codes for code in group)


def _encodings(text: str) -> frozenset[bytes]:
    """Return the bytes of a text in every encoding it may have been written in."""
    found = {text.encode(codec) for codec in ("utf-8", "utf-16-le", "utf-16-be")}
    if text.isascii():
        return frozenset(found)
    gb = text.encode("gb18030")
    found.add(gb)
    for codec in _codecs_of(text):
        try:
            found.add(text.encode(codec))
        except UnicodeEncodeError:
            continue
    # GB2312 behind ISO 2022 escapes: 7-bit, and with the escape repeated after a caret.
    found.add(b"\x1b$A" + bytes(b & 0x7F for b in gb))
    found.add(gb.replace(b"^", b"^\x1b$)A"))
    with suppress(UnicodeEncodeError):
        found.add(text.encode("euc_kr").replace(b"^", b"^\x1b$)C"))
    # Bytes once read as Latin-1 and written again as UTF-8.
    found |= {raw.decode("latin-1").encode() for raw in (gb, text.encode())}
    units = [text.encode("utf-16-be")[i : i + 2].hex() for i in range(0, len(text) * 2, 2)]
    if all(ord(c) < 0x10000 for c in text):
        found |= {_escaped(text, u, upper=up) for u in [units] for up in (False, True)}
    found.add(text.encode("ascii", "xmlcharrefreplace"))
    found.add("".join(c if c.isascii() else f"&#x{ord(c):x};" for c in text).encode())
    found.add(
        "".join(
            c if c.isascii() else "".join(f"%{b:02X}" for b in c.encode()) for c in text
        ).encode()
    )
    return frozenset(found)


def _codecs_of(text: str) -> tuple[str, ...]:
    if count_wide(text):
        return _OF_OTHER_SCRIPTS
    return () if _is_misread(text) else _OF_ACCENTS


def _escaped(text: str, units: list[str], *, upper: bool) -> bytes:
    """Return the text as JSON and Python escape it."""
    hexes = [u.upper() if upper else u for u in units]
    pairs = zip(text, hexes, strict=True)
    return "".join(c if c.isascii() else f"\\u{h}" for c, h in pairs).encode()
