"""Partial dates: what is known decides, what is not known stays open."""

from __future__ import annotations

import datetime as dt

import pytest

from schemas.partial_dates import (
    PartialDate,
    add_months,
    add_years,
    completed_years,
    days_between,
    is_at_or_after_months,
    is_before,
    is_between,
)
from schemas.states import Verdict


def date(text: str) -> PartialDate:
    return PartialDate.parse_iso(text)


@pytest.mark.parametrize(
    ("text", "earliest", "latest", "precision"),
    [
        ("2025", dt.date(2025, 1, 1), dt.date(2025, 12, 31), "year"),
        ("2024-02", dt.date(2024, 2, 1), dt.date(2024, 2, 29), "month"),
        ("2025-03-06", dt.date(2025, 3, 6), dt.date(2025, 3, 6), "day"),
    ],
)
def test_a_partial_date_stands_for_every_day_it_may_be(
    text: str, earliest: dt.date, latest: dt.date, precision: str
) -> None:
    parsed = date(text)
    assert (parsed.earliest, parsed.latest, parsed.precision) == (earliest, latest, precision)
    assert parsed.iso() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "25",
        "2025-3-6",
        "2025/03/06",
        "2025-02-30",
        "2025-13",
        "0000",
        "1799-12-31",
        "9999",
        "２０２５",
    ],
)
def test_what_is_no_date_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        date(text)
    assert not text or text not in str(refusal.value)


def test_a_day_without_a_month_is_refused() -> None:
    with pytest.raises(ValueError, match="without a month"):
        PartialDate(2025, None, 6)


def test_only_a_date_known_to_the_day_is_exact() -> None:
    assert date("2025-03-06").exact == dt.date(2025, 3, 6)
    assert date("2025-03").exact is None


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (dt.date(2025, 11, 30), 3, dt.date(2026, 2, 28)),
        (dt.date(2027, 11, 30), 3, dt.date(2028, 2, 29)),
        (dt.date(2025, 3, 1), 3, dt.date(2025, 6, 1)),
        (dt.date(2025, 12, 31), 1, dt.date(2026, 1, 31)),
    ],
)
def test_calendar_months_clamp_at_the_end_of_the_month(
    start: dt.date, months: int, end: dt.date
) -> None:
    assert add_months(start, months) == end


def test_a_birthday_on_29_february_is_kept_on_28_february() -> None:
    assert add_years(dt.date(2008, 2, 29), 18) == dt.date(2026, 2, 28)
    assert completed_years(dt.date(2008, 2, 29), dt.date(2026, 2, 27)) == 17
    assert completed_years(dt.date(2008, 2, 29), dt.date(2026, 2, 28)) == 18


def test_days_between_partial_dates_are_bounds() -> None:
    assert days_between(date("2025-03-06"), date("2025-03")) == (-5, 25)
    assert days_between(date("2025-03-01"), date("2025-03-16")) == (15, 15)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0, 30, Verdict.MET),
        (-1, 0, Verdict.UNDETERMINED),
        (-9, -1, Verdict.NOT_MET),
        (31, 40, Verdict.NOT_MET),
        (-5, 99, Verdict.UNDETERMINED),
    ],
)
def test_an_interval_decides_only_when_it_lies_on_one_side(
    low: int, high: int, verdict: Verdict
) -> None:
    assert is_between(low, high, at_least=0, at_most=30) is verdict


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ("2025-03-05", "2025-03-06", Verdict.MET),
        ("2025-03-06", "2025-03-06", Verdict.NOT_MET),
        ("2025-03", "2025-03-10", Verdict.UNDETERMINED),
        ("2025-02", "2025-03-01", Verdict.MET),
        ("2025-03", "2025-03-01", Verdict.NOT_MET),
    ],
)
def test_before_is_strict(first: str, second: str, verdict: Verdict) -> None:
    assert is_before(date(first), date(second)) is verdict


@pytest.mark.parametrize(
    ("later", "verdict"),
    [
        ("2026-02-28", Verdict.MET),
        ("2026-02-27", Verdict.NOT_MET),
        ("2026-02", Verdict.UNDETERMINED),
        ("2026-03", Verdict.MET),
        ("2026-01", Verdict.NOT_MET),
    ],
)
def test_three_months_after_30_november_is_the_last_of_february(
    later: str, verdict: Verdict
) -> None:
    assert is_at_or_after_months(date("2025-11-30"), date(later), 3) is verdict
