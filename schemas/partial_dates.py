"""Dates as people know them: to the day, the month or the year, and what follows from that.

A partial date stands for every day it may be. A comparison is met when it holds for all of
them, not met when it holds for none, and undetermined otherwise.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

from schemas.states import Verdict

_ISO = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
MONTHS_PER_YEAR = 12
#: No person or examination of this study has another year; arithmetic never leaves the calendar.
YEAR_MIN, YEAR_MAX = 1800, 2200


@dataclass(frozen=True)
class PartialDate:
    """A calendar date known to the year, the month or the day.

    Parameters
    ----------
    year : int
        1800 to 2200.
    month : int or None
        1 to 12; None when only the year is known.
    day : int or None
        Day of that month; None when only the month is known.

    Raises
    ------
    ValueError
        If no such date exists, or a day is given without a month.
    """

    year: int
    month: int | None = None
    day: int | None = None

    def __post_init__(self) -> None:
        if not YEAR_MIN <= self.year <= YEAR_MAX:
            raise ValueError("a year that no date of this study has")
        if self.month is None and self.day is not None:
            raise ValueError("a day without a month")
        dt.date(self.year, self.month or 1, self.day or 1)

    @classmethod
    def parse_iso(cls, text: str) -> PartialDate:
        """Read `YYYY`, `YYYY-MM` or `YYYY-MM-DD` and nothing else.

        Raises
        ------
        ValueError
            If the text has another form or names no date of the calendar; the message does
            not quote it.
        """
        match = _ISO.fullmatch(text)
        if match is None:
            raise ValueError("not a date of the form YYYY, YYYY-MM or YYYY-MM-DD")
        year, month, day = (None if part is None else int(part) for part in match.groups())
        if year is None:
            raise ValueError("a date without a year")
        return cls(year, month, day)

    @classmethod
    def of(cls, day: dt.date) -> PartialDate:
        """Return a date known to the day."""
        return cls(day.year, day.month, day.day)

    @property
    def precision(self) -> str:
        """`day`, `month` or `year`."""
        if self.day is not None:
            return "day"
        return "month" if self.month is not None else "year"

    @property
    def earliest(self) -> dt.date:
        """First day that it may be."""
        return dt.date(self.year, self.month or 1, self.day or 1)

    @property
    def latest(self) -> dt.date:
        """Last day that it may be."""
        month = self.month or MONTHS_PER_YEAR
        return dt.date(self.year, month, self.day or calendar.monthrange(self.year, month)[1])

    @property
    def exact(self) -> dt.date | None:
        """The day, or None when it is not known to the day."""
        return self.earliest if self.day is not None else None

    def iso(self) -> str:
        """Return `YYYY`, `YYYY-MM` or `YYYY-MM-DD`."""
        return self.earliest.isoformat()[: {"year": 4, "month": 7, "day": 10}[self.precision]]


def add_months(day: dt.date, months: int) -> dt.date:
    """Return the same day of the month `months` later; a day that month lacks is clamped.

    30 November and three months give 28 (or 29) February.
    """
    index = day.year * MONTHS_PER_YEAR + day.month - 1 + months
    year, month = index // MONTHS_PER_YEAR, index % MONTHS_PER_YEAR + 1
    return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def add_years(day: dt.date, years: int) -> dt.date:
    """Return the same calendar day `years` later; 29 February becomes 28 in a common year."""
    return add_months(day, years * MONTHS_PER_YEAR)


def completed_years(birth: dt.date, on: dt.date) -> int:
    """Return the age in completed years; born on 29 February, one ages on 28 February."""
    years = on.year - birth.year
    return years if add_years(birth, years) <= on else years - 1


def days_between(start: PartialDate, end: PartialDate) -> tuple[int, int]:
    """Return the smallest and largest number of days from `start` to `end`."""
    return (end.earliest - start.latest).days, (end.latest - start.earliest).days


def is_between(low: int, high: int, *, at_least: int, at_most: int) -> Verdict:
    """Return whether a number known to lie in [low, high] lies in [at_least, at_most]."""
    if low > at_most or high < at_least:
        return Verdict.NOT_MET
    return Verdict.MET if at_least <= low and high <= at_most else Verdict.UNDETERMINED


def is_before(first: PartialDate, second: PartialDate) -> Verdict:
    """Return whether `first` lies strictly before `second`."""
    if first.latest < second.earliest:
        return Verdict.MET
    return Verdict.NOT_MET if first.earliest >= second.latest else Verdict.UNDETERMINED


def is_at_or_after_months(anchor: PartialDate, later: PartialDate, months: int) -> Verdict:
    """Return whether `later` lies `months` calendar months or more after `anchor`."""
    if later.earliest >= add_months(anchor.latest, months):
        return Verdict.MET
    due_earliest = add_months(anchor.earliest, months)
    return Verdict.NOT_MET if later.latest < due_earliest else Verdict.UNDETERMINED
