"""Dates of forms: a closed list of formats, never a guess; partial precision is kept."""

from __future__ import annotations

import re
from functools import cache

from schemas.errors import ContractError
from schemas.partial_dates import PartialDate
from tasks.clinical.form_contracts import read_conventions
from tasks.clinical.text import tidy

_TOKENS = {
    "YYYY": r"(?P<year>\d{4})",
    "MM": r"(?P<month>\d{2})",
    "M": r"(?P<month>\d{1,2})",
    "DD": r"(?P<day>\d{2})",
    "D": r"(?P<day>\d{1,2})",
    "UK": "UK",
}
_THREE_PARTS = re.compile(r"(\d{4})\D?(\d{1,2})\D?(\d{1,2})\D?", re.ASCII)
_TOKEN = re.compile("|".join(sorted(_TOKENS, key=len, reverse=True)))


def parse_date(text: str) -> PartialDate:
    """Read a date in one of the formats of the delivery contract.

    Raises
    ------
    ValueError
        If no format fits, or the calendar has no such date; the message does not quote it.
    """
    tidied = tidy(text).upper()
    readings = {_date_of(match) for format_ in _formats() if (match := format_.fullmatch(tidied))}
    if len(readings) != 1:
        raise ValueError("not a date in one of the agreed formats")
    return readings.pop()


def day_and_month_exchanged(text: str) -> PartialDate | None:
    """Return the date that a text would be with day and month exchanged, or None.

    This is for findings alone: no date is ever taken in that way.
    """
    match = _THREE_PARTS.fullmatch(tidy(text))
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups())
    try:
        return PartialDate(year, day, month)
    except ValueError:
        return None


def compile_format(date_format: str) -> re.Pattern[str]:
    """Return the pattern of one format such as `YYYY年M月D日`.

    Raises
    ------
    ContractError
        If the format names no year.
    """
    if "YYYY" not in date_format:
        raise ContractError(f"date format {date_format} has no year", where="conventions.yaml")
    parts, end = [], 0
    for token in _TOKEN.finditer(date_format):
        parts += [re.escape(date_format[end : token.start()]), _TOKENS[token.group()]]
        end = token.end()
    return re.compile("".join(parts) + re.escape(date_format[end:]), re.ASCII)


@cache
def _formats() -> tuple[re.Pattern[str], ...]:
    return tuple(compile_format(date_format) for date_format in read_conventions().date_formats)


def _date_of(match: re.Match[str]) -> PartialDate:
    found = match.groupdict()
    month, day = found.get("month"), found.get("day")
    return PartialDate(int(found["year"]), int(month) if month else None, int(day) if day else None)
