"""Laws of partial dates."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from schemas.partial_dates import PartialDate, add_months, add_years, completed_years, days_between

DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2100, 12, 31))
PARTIAL = st.builds(
    lambda day, length: PartialDate.parse_iso(day.isoformat()[:length]),
    DAYS,
    st.sampled_from([4, 7, 10]),
)


@given(PARTIAL)
def test_what_is_written_is_read_back(date: PartialDate) -> None:
    assert PartialDate.parse_iso(date.iso()) == date


@given(DAYS, st.sampled_from([4, 7, 10]))
def test_a_day_lies_in_every_date_it_is_shortened_to(day: dt.date, length: int) -> None:
    date = PartialDate.parse_iso(day.isoformat()[:length])
    assert date.earliest <= day <= date.latest


@given(DAYS, DAYS, st.integers(0, 24))
def test_adding_months_keeps_the_order_of_days(a: dt.date, b: dt.date, months: int) -> None:
    first, second = min(a, b), max(a, b)
    assert add_months(first, months) <= add_months(second, months)


@given(DAYS, st.integers(0, 100))
def test_completed_years_are_those_whose_anniversary_has_come(birth: dt.date, years: int) -> None:
    assert completed_years(birth, add_years(birth, years)) == years
    assert completed_years(birth, add_years(birth, years) - dt.timedelta(days=1)) == years - 1


@given(PARTIAL, PARTIAL)
def test_the_bounds_of_a_difference_are_in_order_and_turn_with_it(
    a: PartialDate, b: PartialDate
) -> None:
    low, high = days_between(a, b)
    assert low <= high
    assert days_between(b, a) == (-high, -low)
