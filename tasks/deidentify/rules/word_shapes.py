"""Which words that match a pattern are a day or a telephone number all the same. Pure.

A pattern admits every release number there may be, and so it admits `2024.03.15` and
`138.0013.8000`. A word that stands in a list by itself is not looked at here.
"""

from __future__ import annotations

import re
from datetime import date
from itertools import permutations

_FIRST_YEAR, _LAST_YEAR = 1900, 2100
_FIRST_DAY, _LAST_DAY = _FIRST_YEAR * 10_000, (_LAST_YEAR + 1) * 10_000
_MONTHS = 12
#: Release numbers of vendors have at most six digits between letters (`01_1725`) and nine in all
#: (`DV26.0_R01_1725.a`); a telephone number has seven at least, one of a person eight.
_MOST_IN_A_ROW, _MOST_IN_A_WORD = 6, 9
_RUN = re.compile(r"[\d._+-]*\d")
_THREE = re.compile(r"(?=(?<!\d)(\d{1,4})[._+-](\d{1,2})[._+-](\d{1,4})(?!\d))")
_FOUR_AND_FOUR = re.compile(r"(?=(?<!\d)(\d{4})[._+-](\d{4})(?!\d))")
#: Without letters beside it: in `R02_1914` stands the 14th week of 2019.
_YEAR_AND_MONTH = re.compile(r"(?=(?<![A-Za-z\d])(\d{2,4})[._+-](\d{2,4})(?![A-Za-z\d]))")
_YEAR, _MONTH = 4, 2


def is_a_day(number: float) -> bool:
    """Return whether a number is a calendar day as DICOM writes one, 1900 to 2100: `20250306`.

    A duration in microseconds may be as large; one in some thousand is lost by it.
    """
    if not _FIRST_DAY <= number < _LAST_DAY or number != int(number):
        return False
    text = f"{number:.0f}"
    return _exists(text[:4], text[4:6], text[6:])


def is_plain_number(word: str) -> bool:
    """Return whether a word is digits and what parts them."""
    return _RUN.fullmatch(word) is not None


def tells_a_day_or_number(word: str) -> bool:
    """Return whether a word holds a day, a month of a year, or a number too long for a release.

    Days are read in every usual order, with a year from 1900 to 2100.
    """
    runs = [sum(map(str.isdecimal, run)) for run in _RUN.findall(word)]
    if max(runs, default=0) > _MOST_IN_A_ROW or sum(runs) > _MOST_IN_A_WORD:
        return True
    days = [*_THREE.findall(word), *map(_three_of, _FOUR_AND_FOUR.findall(word))]
    return any(map(_is_day, days)) or any(map(_is_month, _YEAR_AND_MONTH.findall(word)))


def _is_year(text: str) -> bool:
    return len(text) == _YEAR and _FIRST_YEAR <= int(text) <= _LAST_YEAR


def _is_day(parts: tuple[str, ...]) -> bool:
    first, middle, last = parts
    for year, rest in ((first, (middle, last)), (last, (first, middle))):
        if _is_year(year) and any(_exists(year, *two) for two in permutations(rest)):
            return True
    return False


def _three_of(parts: tuple[str, str]) -> tuple[str, ...]:
    first, last = parts
    return (first, last[:2], last[2:]) if _is_year(first) else (first[:2], first[2:], last)


def _is_month(parts: tuple[str, str]) -> bool:
    """Return whether two numbers are a year and a month of two digits."""
    return any(
        _is_year(year) and len(month) == _MONTH and 1 <= int(month) <= _MONTHS
        for year, month in (parts, parts[::-1])
    )


def _exists(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True
