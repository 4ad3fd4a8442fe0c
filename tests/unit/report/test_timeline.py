"""The time line: windows where the protocol puts them, words that do not cover each other."""

from __future__ import annotations

from datetime import date

import pytest

from tasks.report.timeline import Event, add_months, draw_timeline, windows

LIMITS = {"mri_window_days": 15.0, "pathology_window_days": 30.0, "follow_up_months": 3.0}
CT, MRI = date(2021, 3, 1), date(2021, 3, 5)


def test_windows_count_from_the_ct_and_from_the_baseline_mri() -> None:
    spans = {one.lane: (one.first, one.last) for one in windows(0, MRI, CT, LIMITS)}
    assert spans == {"mri": (-15, 15), "pathology": (4, 34), "follow_up": (96, None)}


def test_without_a_baseline_mri_nothing_is_said_of_pathology_and_follow_up() -> None:
    assert [one.lane for one in windows(0, None, CT, LIMITS)] == ["mri"]
    assert windows(None, None, None, LIMITS) == ()


@pytest.mark.parametrize(
    ("day", "after"),
    [
        (date(2021, 11, 30), date(2022, 2, 28)),
        (date(2023, 11, 30), date(2024, 2, 29)),
        (date(2021, 1, 31), date(2021, 4, 30)),
        (date(2021, 12, 1), date(2022, 3, 1)),
    ],
)
def test_months_are_calendar_months_with_short_ones_clamped(day: date, after: date) -> None:
    assert add_months(day, 3) == after


def test_nothing_is_drawn_when_nothing_has_a_day() -> None:
    assert draw_timeline([Event("ct", "baseline_ct", None)], ()) is None


def test_what_lies_far_away_stands_at_the_edge_with_an_arrow() -> None:
    events = [
        Event("ct", "baseline_ct", 0),
        Event("treatment", "treatment", -2000),
        Event("follow_up", "follow_up_image", 900),
    ]
    drawing = draw_timeline(events, ())
    assert drawing is not None
    assert {one.event.kind: one.beyond for one in drawing.marks} == {
        "baseline_ct": "",
        "treatment": "before",
        "follow_up_image": "after",
    }
    assert all(72 <= one.x <= 990 for one in drawing.marks)


def test_words_of_two_exams_close_together_go_to_both_sides() -> None:
    drawing = draw_timeline([Event("mri", "dce_mri", 3), Event("mri", "eob_mri", 6)], ())
    assert drawing is not None
    assert [one.anchor for one in drawing.marks] == ["end", "start"]


def test_a_later_day_is_never_further_left() -> None:
    events = [Event("mri", "x", day) for day in (-300, -90, -1, 0, 15, 400, 900)]
    drawing = draw_timeline(events, ())
    assert drawing is not None
    places = [one.x for one in drawing.marks]
    assert places == sorted(places)
