"""Geometry of the charts."""

from __future__ import annotations

import pytest

from tasks.report.charts import draw_histogram, percent, scale, stack_bar


def test_the_parts_of_a_bar_fill_it() -> None:
    parts = stack_bar((("a", 1), ("b", 0), ("c", 3)))
    assert [(one.name, one.x, one.width) for one in parts] == [("a", 0, 25), ("c", 25, 75)]


def test_a_bar_of_nothing_has_no_parts() -> None:
    assert stack_bar((("a", 0), ("b", 0))) == ()


def test_a_small_count_stays_visible_and_zero_stays_empty() -> None:
    assert scale(1, 10_000) == 1.0
    assert scale(0, 10_000) == 0.0
    assert scale(0, 0) == 0.0


@pytest.mark.parametrize(
    ("value_mm", "above"), [(4.9, False), (5.0, False), (5.05, False), (5.2, True), (40.0, True)]
)
def test_a_column_lies_above_the_limit_as_the_protocol_has_it(value_mm: float, above: bool) -> None:
    (column,) = draw_histogram([value_mm], 5.0).columns
    assert column.above is above


def test_a_share_of_nothing_is_a_dash() -> None:
    assert (percent(1, 8), percent(0, 0)) == ("12.5 %", "–")
