"""The time line of a subject as a drawing: days from the baseline CT, windows of the protocol.

Only differences of shifted dates go in, so no real date can come out.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

LANES = ("ct", "mri", "pathology", "follow_up", "treatment")
_LEFT, _RIGHT, _TOP, _LANE, _LABEL = 10.0, 990.0, 10.0, 46.0, 84.0
_SHOWN_BEFORE, _SHOWN_AFTER = -45, 130
_FARTHEST_BEFORE, _FARTHEST_AFTER = -90, 400
_STEPS = (15, 30, 60, 90)
_MOST_TICKS = 12
_WORD = 140.0
_TEXT_DY = (4.0, 19.0, -9.0)


@dataclass(frozen=True)
class Event:
    """Something that happened; `day` counts from the baseline CT, None when nobody knows.

    `detail` is a code of `code_list`.
    """

    lane: str
    kind: str
    day: int | None
    detail: str = ""
    code_list: str = ""


@dataclass(frozen=True)
class Window:
    """A span in which the protocol wants something; `last` is None when it stays open."""

    lane: str
    criterion: str
    first: int
    last: int | None


@dataclass(frozen=True)
class Mark:
    """An event in the drawing; `beyond` says that it lies outside the days shown."""

    event: Event
    x: float
    y: float
    beyond: str
    anchor: str
    text_y: float


@dataclass(frozen=True)
class Band:
    """A window in the drawing."""

    window: Window
    x: float
    y: float
    width: float
    height: float
    open_ended: bool


@dataclass(frozen=True)
class Timeline:
    """Everything the template draws, in units of a box 1000 wide."""

    height: float
    lanes: tuple[tuple[str, float], ...]
    marks: tuple[Mark, ...]
    bands: tuple[Band, ...]
    ticks: tuple[tuple[int, float], ...]


def windows(
    ct_day: int | None, mri: date | None, ct: date | None, limits: Mapping[str, float]
) -> tuple[Window, ...]:
    """Return the windows of I4 and I5 in days from the baseline CT.

    Parameters
    ----------
    ct_day : int or None
        0 when there is a baseline CT.
    mri, ct : date or None
        Shifted days of the baseline MRI and CT; both moved by the same number of days.
    limits : mapping
        `mri_window_days`, `pathology_window_days`, `follow_up_months` of the protocol.
    """
    found = []
    if ct_day is not None:
        reach = int(limits["mri_window_days"])
        found.append(Window("mri", "I4", ct_day - reach, ct_day + reach))
    if mri is not None and ct is not None:
        first = (mri - ct).days
        last = first + int(limits["pathology_window_days"])
        found.append(Window("pathology", "I5", first, last))
        after = add_months(mri, int(limits["follow_up_months"]))
        found.append(Window("follow_up", "I5", (after - ct).days, None))
    return tuple(found)


def add_months(day: date, months: int) -> date:
    """Return the same day some calendar months later, the end of a short month clamped."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def draw_timeline(events: Sequence[Event], spans: Sequence[Window]) -> Timeline | None:
    """Return the drawing, or None when nothing has a day.

    Days far before or after are drawn at the edge with an arrow: the days that decide stay
    readable.
    """
    dated = [one for one in events if one.day is not None]
    if not dated:
        return None
    days = [one.day for one in dated if one.day is not None]
    low = max(_FARTHEST_BEFORE, min([_SHOWN_BEFORE, *(day - 10 for day in days)]))
    high = min(_FARTHEST_AFTER, max([_SHOWN_AFTER, *(day + 20 for day in days)]))

    def place(day: float) -> float:
        share = (min(max(day, low), high) - low) / (high - low)
        return round(_LEFT + _LABEL + share * (_RIGHT - _LEFT - _LABEL), 1)

    y_of = {lane: _TOP + _LANE * (number + 0.5) for number, lane in enumerate(LANES)}
    return Timeline(
        height=_TOP + _LANE * len(LANES) + 26,
        lanes=tuple(y_of.items()),
        marks=tuple(_marks(dated, place, y_of, low, high)),
        bands=tuple(_band(one, place, y_of[one.lane], high) for one in spans),
        ticks=tuple((day, place(day)) for day in _tick_days(low, high)),
    )


def _marks(
    events: Sequence[Event],
    place: Callable[[float], float],
    y_of: Mapping[str, float],
    low: int,
    high: int,
) -> Iterable[Mark]:
    for number, event in enumerate(events):
        assert event.day is not None
        beyond = "before" if event.day < low else "after" if event.day > high else ""
        x, y = place(event.day), y_of[event.lane]
        near = [
            abs(place(other.day) - x) < _WORD
            for other in (*events[:number], *events[number + 1 :])
            if other.lane == event.lane and other.day is not None
        ]
        before = sum(
            other.lane == event.lane and x - place(other.day or 0) < _WORD
            for other in events[:number]
        )
        # Of two events close together one has its word on the left, the other on the right.
        left = x > _RIGHT - _WORD or (any(near) and before == 0)
        level = max(0, before - 1) % len(_TEXT_DY)
        yield Mark(event, x, y, beyond, "end" if left else "start", y + _TEXT_DY[level])


def _band(window: Window, place: Callable[[float], float], y: float, high: int) -> Band:
    x = place(window.first)
    last = high if window.last is None else window.last
    return Band(
        window=window,
        x=x,
        y=round(y - _LANE / 2 + 3, 1),
        width=round(max(0.0, place(last) - x), 1),
        height=_LANE - 6,
        open_ended=window.last is None,
    )


def _tick_days(low: int, high: int) -> list[int]:
    step = next((one for one in _STEPS if (high - low) / one <= _MOST_TICKS), _STEPS[-1])
    first = -(-low // step) * step
    return list(range(first, high + 1, step))


def days_between(earlier: date | None, later: date | None) -> int | None:
    """Return the days from one shifted date to another, None when one is missing."""
    if earlier is None or later is None:
        return None
    return (later - earlier) // timedelta(days=1)
