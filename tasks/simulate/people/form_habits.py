"""How each site's data manager lets the EDC write its forms: format, encoding, headings, dates."""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass, replace
from enum import StrEnum


class FormFormat(StrEnum):
    """File format of the forms."""

    CSV = "csv"
    XLSX = "xlsx"
    ODM = "xml"


class Codes(StrEnum):
    """How a coded answer is written."""

    CODE = "code"
    CHINESE = "zh"
    NUMBERED = "numbered"


class Headings(StrEnum):
    """In which words columns are headed."""

    CHINESE = "zh"
    ENGLISH = "en"
    ALIASES = "aliases"


class AsOf(StrEnum):
    """Where the day of the export stands."""

    FIRST_LINE = "first line"
    COLUMN = "column"
    FILE_NAME = "file name"
    NOWHERE = "nowhere"


class Dates(StrEnum):
    """How a day is typed."""

    ISO = "2025-03-06"
    SLASHES = "2025/3/6"
    DOTS = "2025.03.06"
    COMPACT = "20250306"
    CHINESE = "2025年3月6日"


@dataclass(frozen=True)
class Vague:
    """A date of which only the year or the month is known."""

    day: dt.date
    precision: str

    @property
    def earliest(self) -> dt.date:
        """First day it can mean."""
        return self.day.replace(day=1, **({"month": 1} if self.precision == "year" else {}))

    @property
    def latest(self) -> dt.date:
        """Last day it can mean."""
        month = 12 if self.precision == "year" else self.day.month
        return dt.date(self.day.year, month, calendar.monthrange(self.day.year, month)[1])


@dataclass(frozen=True, kw_only=True)
class FormHabits:
    """The habits of one site."""

    format: FormFormat = FormFormat.CSV
    encoding: str = "utf-8-sig"
    codes: Codes = Codes.CODE
    headings: Headings = Headings.CHINESE
    dates: Dates = Dates.ISO
    as_of: AsOf = AsOf.FIRST_LINE
    chinese_file_names: bool = False
    own_column: bool = False
    """Whether the site adds a column that no contract knows."""


_NUMBERED = FormHabits(codes=Codes.NUMBERED, dates=Dates.SLASHES, as_of=AsOf.FILE_NAME)
_CHINESE = FormHabits(
    codes=Codes.CHINESE, dates=Dates.CHINESE, as_of=AsOf.COLUMN, chinese_file_names=True
)
_HABITS: dict[str, FormHabits] = {
    "S91": FormHabits(),
    "S92": replace(_CHINESE, encoding="gb18030"),
    "S93": _NUMBERED,
    "S94": FormHabits(format=FormFormat.XLSX, codes=Codes.CHINESE, as_of=AsOf.COLUMN),
    "S95": replace(_CHINESE, headings=Headings.ALIASES, dates=Dates.COMPACT, encoding="utf-8"),
    "S96": FormHabits(format=FormFormat.ODM),
    "S97": replace(_NUMBERED, headings=Headings.ALIASES, dates=Dates.DOTS, own_column=True),
    "S98": replace(_CHINESE, encoding="gb18030", as_of=AsOf.FILE_NAME, dates=Dates.DOTS),
    "S99": FormHabits(headings=Headings.ENGLISH, encoding="utf-8"),
}


def habits_of(site_code: str) -> FormHabits:
    """Return the habits of a site; sites for load tests take those of CSV sites in turn."""
    if site_code in _HABITS:
        return _HABITS[site_code]
    csv_sites = [h for h in _HABITS.values() if h.format is FormFormat.CSV]
    return csv_sites[int(site_code[1:]) % len(csv_sites)]


def date_text(day: dt.date | Vague, style: Dates) -> str:
    """Return a date as the site types it, to the precision it is known."""
    if isinstance(day, Vague):
        return _vague_text(day, style)
    if style is Dates.CHINESE:
        return f"{day.year}年{day.month}月{day.day}日"
    if style is Dates.SLASHES:
        return f"{day.year}/{day.month}/{day.day}"
    return day.strftime({Dates.DOTS: "%Y.%m.%d", Dates.COMPACT: "%Y%m%d"}.get(style, "%Y-%m-%d"))


def _vague_text(date: Vague, style: Dates) -> str:
    year, month = date.day.year, date.day.month
    if date.precision == "year":
        return {Dates.CHINESE: f"{year}年", Dates.COMPACT: f"UK-UK-{year}"}.get(style, str(year))
    written = {
        Dates.CHINESE: f"{year}年{month}月",
        Dates.SLASHES: f"{year}/{month}",
        Dates.DOTS: f"{year}.{month}",
        Dates.COMPACT: f"UK-{month:02d}-{year}",
    }
    return written.get(style, f"{year}-{month:02d}")
