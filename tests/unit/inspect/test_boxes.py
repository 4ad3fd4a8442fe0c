"""Characters that the detector boxes one by one are put together to the row they stand in."""

from __future__ import annotations

import pytest

from tasks.inspect.boxes import TurnedBox, readings_of, rows_of


def _square(x: float, y: float, side: float = 20.0) -> TurnedBox:
    return TurnedBox(x, y, (1.0, 0.0), side, side, 0.9)


def test_neighbouring_characters_are_one_row_and_others_none() -> None:
    (row,) = rows_of([_square(50, 50), _square(76, 50), _square(102, 50), _square(300, 200)])
    assert (row.x, row.y) == pytest.approx((76, 50))
    assert (row.length, row.height) == pytest.approx((73, 21), abs=1)


def test_a_row_may_stand_upright() -> None:
    (row,) = rows_of([_square(50, 50), _square(50, 76)])
    assert abs(row.along[1]) == pytest.approx(1)


@pytest.mark.parametrize(
    "others",
    [
        [_square(76, 50, side=50.0)],
        [_square(50, 90)],
        [_square(76, 50), _square(63, 76), _square(90, 76)],
        [TurnedBox(90, 50, (1.0, 0.0), 60.0, 20.0, 0.9)],
    ],
    ids=["larger", "far off", "a heap", "a line"],
)
def test_what_is_no_row_of_single_characters_gives_none(others: list[TurnedBox]) -> None:
    assert rows_of([_square(50, 50), *others]) == []


def test_an_upright_line_is_not_read_in_a_turned_picture() -> None:
    upright = TurnedBox(50, 50, (0.0, 1.0), 60.0, 20.0, 0.9)
    lying = TurnedBox(50, 50, (1.0, 0.0), 60.0, 20.0, 0.9)
    assert (len(readings_of(upright, turned=False)), len(readings_of(lying, turned=False))) == (
        2,
        1,
    )
    assert (len(readings_of(upright, turned=True)), len(readings_of(lying, turned=True))) == (0, 2)
