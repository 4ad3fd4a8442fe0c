"""How a person's name may be written: Han, pinyin in any order and case, initials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import NamedTuple

_SEPARATORS = ("", " ", "^", ",", ", ", "_", "-", ".")
_READINGS_LIMIT = 8
#: Scripts without cases, in which two or three characters are a name: Han, Kana, Hangul.
_HAN = (("\u3400", "\u9fff"), ("\U00020000", "\U0003134f"))
_KANA_AND_HANGUL = (("\u3040", "\u30ff"), ("\uff66", "\uff9f"), ("\uac00", "\ud7a3"))
_LATIN_PART = re.compile(r"[^\W\d_]+")
#: Surnames of two characters (GB/T 28039 lists them among the Han surnames in use).
_DOUBLE_SURNAMES = frozenset(
    ["欧阳", "上官", "司马", "诸葛", "夏侯", "皇甫", "尉迟", "公孙", "慕容", "令狐", "长孙", "宇文"]
) | {"司徒", "端木", "东方", "独孤", "南宫", "西门", "申屠", "太史", "轩辕", "钟离", "闻人", "澹台"}


def has_han(text: str) -> bool:
    """Return whether the text has a Han character."""
    return _count_within(text, _HAN) > 0


def count_wide(text: str) -> int:
    """Return how many characters of a text are Han, Kana or Hangul."""
    return _count_within(text, _HAN + _KANA_AND_HANGUL)


def _count_within(text: str, ranges: Sequence[tuple[str, str]]) -> int:
    # Compared, not matched: to compile such ranges takes longer than many a file.
    if text.isascii():
        return 0
    return sum(first <= c <= last for c in text for first, last in ranges)


def name_groups(person_name: str) -> list[tuple[str, ...]]:
    """Split a PN value or a plain name into its representations, each into its parts.

    PS3.5 6.2.1.2: `=` parts the representations, `^` the components.
    """
    groups = []
    for group in person_name.split("="):
        parts = tuple(p.strip() for p in re.split(r"[\^,\s]+", group) if p.strip())
        if parts:
            groups.append(parts)
    return groups


def full_names(parts: tuple[str, ...]) -> frozenset[str]:
    """Return every way to write a name given in its parts, initials apart.

    Latin forms are lower case: they are searched whatever the case of the text.
    """
    if has_han("".join(parts)):
        surname, given = split_han(parts)
        han = {surname + given, *(f"{surname}{s}{given}" for s in (" ", "^", "·")), "^".join(parts)}
        latin = {form for reading in _readings(surname, given) for form in _orders(*reading)}
        return frozenset(han | latin)
    pieces = [piece for part in parts for piece in _LATIN_PART.findall(part)]
    if len(pieces) < 2:
        return frozenset({"".join(parts).lower()})
    forms = set(_orders(pieces[0], pieces[1:])) | set(_orders(pieces[-1], pieces[:-1]))
    return frozenset(forms)


def initials(parts: tuple[str, ...]) -> frozenset[str]:
    """Return the initials in upper case, surname first and last."""
    if has_han("".join(parts)):
        readings = list(_readings(*split_han(parts)))
        letters = {(s[:1], "".join(g[:1] for g in given)) for s, given in readings}
    else:
        pieces = [piece for part in parts for piece in _LATIN_PART.findall(part)]
        letters = {(pieces[0][:1], "".join(p[:1] for p in pieces[1:]))} if pieces else set()
    return frozenset(form.upper() for s, g in letters for form in (s + g, g + s))


def split_han(parts: tuple[str, ...]) -> tuple[str, str]:
    """Return surname and given name of a Han name, whether or not it came in parts."""
    if len(parts) > 1:
        return parts[0], "".join(parts[1:])
    whole = parts[0]
    cut = 2 if whole[:2] in _DOUBLE_SURNAMES and len(whole) > 2 else 1
    return whole[:cut], whole[cut:]


class Spelling(NamedTuple):
    """How characters are read: as is usual, and every way, one entry for each character."""

    usual: tuple[str, ...]
    ways: tuple[tuple[str, ...], ...]


#: Spellings of names that were looked up before (restricted).
_known: dict[str, Spelling] = {}


def han_names(person_name: str) -> frozenset[str]:
    """Return the names in Han that a PN value or a plain name holds, without what parts them."""
    whole = {"".join(parts) for parts in name_groups(person_name)}
    return frozenset(name for name in whole if has_han(name))


def spellings_of(names: Iterable[str]) -> dict[str, Spelling]:
    """Look names up; what that loads takes 55 MiB of this process from then on."""
    return {name: _looked_up(name) for name in names}


def know_spellings(spellings: Mapping[str, Spelling]) -> None:
    """Have spellings at hand that were looked up elsewhere, in place of those before."""
    _known.clear()
    _known.update(spellings)


def _looked_up(name: str) -> Spelling:
    # Here: its words of several characters take 55 MiB, and most commands write no name.
    from pypinyin import Style, pinyin

    ways = pinyin(name, style=Style.NORMAL, heteronym=True, errors="ignore")
    usual = pinyin(name, style=Style.NORMAL, errors="ignore")
    return Spelling(
        tuple(_umlaut(syllables[0])[0] for syllables in usual),
        tuple(tuple(sorted({v for s in options for v in _umlaut(s)})) for options in ways),
    )


def _readings(surname: str, given: str) -> Iterator[tuple[str, list[str]]]:
    name = surname + given
    spelling = _known.get(name) or _looked_up(name)
    cut = len(surname)
    for reading in [spelling.usual, *islice(product(*spelling.ways), _READINGS_LIMIT)]:
        yield "".join(reading[:cut]), list(reading[cut:])


def _umlaut(syllable: str) -> list[str]:
    """Return the spellings of a syllable with u umlaut: lv, lu, lyu."""
    if "v" not in syllable and "ü" not in syllable:
        return [syllable]
    plain = syllable.replace("ü", "v")
    return [plain, plain.replace("v", "u"), plain.replace("v", "yu")]


def _orders(surname: str, given: list[str]) -> Iterator[str]:
    for joined in {"".join(given), " ".join(given), "-".join(given)}:
        for separator in _SEPARATORS:
            yield f"{surname}{separator}{joined}".lower()
            yield f"{joined}{separator}{surname}".lower()
