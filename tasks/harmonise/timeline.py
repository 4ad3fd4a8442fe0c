"""The acquisitions of one exam on one clock: midnight, a changed clock, shared stamps.

AcquisitionTime (0008,0032) is a time of day. Dates, where headers have them, carry it over
midnight; without dates a span of more than half a day is one. A clock that was set during
the exam, or stamps that several phases share, tell nothing, and are taken as missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

from tasks.harmonise.exam_items import ExamItem

_DAY_S = 86_400.0
_HALF_DAY_S = 43_200.0
#: An hour more or less than the pauses between phases: what setting a clock looks like.
_CLOCK_CHANGE_S = (1500.0, 4800.0)
#: Clocks are set between these hours of the night, local time.
_CLOCK_HOURS_S = (0.0, 4 * 3600.0)
_PHASE_KEYS = frozenset({"temporal_position", "acquisition_number", "repeated_position"})
#: Reconstructions of one acquisition start within this: a thin and a thick first slice differ.
SAME_ACQUISITION_S = 2.0


@dataclass(frozen=True)
class Pass:
    """One acquisition with all sub-stacks reconstructed from it."""

    time_s: float
    items: tuple[ExamItem, ...]


def on_one_clock(items: Sequence[ExamItem]) -> list[ExamItem]:
    """Return the items with times in seconds since the midnight before the exam began.

    Items whose stamp does not tell when they were acquired have no time.
    """
    apart = _without_shared_stamps(items)
    dated = _with_days(apart)
    if _clock_was_set([i.time_s for i in dated if i.decision.is_dynamic and i.time_s is not None]):
        return [replace(i, time_s=None, last_time_s=None, contrast_start_s=None) for i in dated]
    return [_start_near(item, dated) for item in dated]


def passes_of(items: Iterable[ExamItem]) -> list[Pass]:
    """Return the timed items grouped into acquisitions, in order of time."""
    timed = sorted(
        ((item.time_s, item.key, item) for item in items if item.time_s is not None),
        key=lambda entry: entry[:2],
    )
    groups: list[list[tuple[float, ExamItem]]] = []
    for time_s, _, item in timed:
        if groups and time_s - groups[-1][0][0] <= SAME_ACQUISITION_S:
            groups[-1].append((time_s, item))
        else:
            groups.append([(time_s, item)])
    return [Pass(group[0][0], tuple(item for _, item in group)) for group in groups]


def _with_days(items: Sequence[ExamItem]) -> list[ExamItem]:
    timed = [item for item in items if item.time_s is not None]
    days = {item.key: _day(item) for item in timed}
    known = [day for day in days.values() if day is not None]
    if timed and len(known) == len(timed) and max(known) - min(known) <= 1:
        first = min(known)
        return [_moved(item, _DAY_S * ((days.get(item.key) or first) - first)) for item in items]
    times = sorted(item.time_s for item in timed if item.time_s is not None)
    if times and times[-1] - times[0] > _HALF_DAY_S:
        return [_moved(i, _DAY_S if (i.time_s or 0.0) < _HALF_DAY_S else 0.0) for i in items]
    return list(items)


def _day(item: ExamItem) -> int | None:
    text = item.facts.acquisition_date
    if text is None:
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal()
    except ValueError:
        return None


def _moved(item: ExamItem, by_s: float) -> ExamItem:
    if item.time_s is None or by_s == 0.0:
        return item
    last_s = None if item.last_time_s is None else item.last_time_s + by_s
    return replace(item, time_s=item.time_s + by_s, last_time_s=last_s)


def _start_near(item: ExamItem, items: Sequence[ExamItem]) -> ExamItem:
    """Put the start of injection on the day of the acquisitions; it has no date of its own."""
    times = [i.time_s for i in items if i.time_s is not None]
    if item.contrast_start_s is None or not times:
        return item
    middle = sorted(times)[len(times) // 2]
    days = round((middle - item.contrast_start_s) / _DAY_S)
    return replace(item, contrast_start_s=item.contrast_start_s + days * _DAY_S)


def _clock_was_set(times: Sequence[float]) -> bool:
    ordered = sorted(times)
    low, high = _CLOCK_HOURS_S
    return any(
        _CLOCK_CHANGE_S[0] <= later - earlier <= _CLOCK_CHANGE_S[1]
        and any(low <= t % _DAY_S <= high for t in (earlier, later))
        for earlier, later in pairwise(ordered)
    )


def _without_shared_stamps(items: Sequence[ExamItem]) -> list[ExamItem]:
    """Resolve series of one MR dynamic that all carry the time at which the dynamic began.

    Distinct TriggerTime (0018,1060) values are delays from that moment and are added; where
    only the temporal position tells the series apart, when they were acquired is unknown.
    """
    groups: dict[object, list[ExamItem]] = {}
    for item in items:
        if item.facts.modality == "MR" and item.decision.is_dynamic and item.time_s is not None:
            groups.setdefault((item.time_s, item.facts.image_type), []).append(item)
    changed: dict[tuple[str, str], ExamItem] = {}
    for group in groups.values():
        if len(group) > 1:
            changed.update((item.key, item) for item in _told_apart(group))
    return [changed.get(item.key, item) for item in items]


def _told_apart(group: Sequence[ExamItem]) -> list[ExamItem]:
    delays = [item.facts.trigger_time_ms for item in group]
    if None not in delays and len(set(delays)) == len(group):
        return [_moved(i, (i.facts.trigger_time_ms or 0.0) / 1000.0) for i in group]
    positions = {item.facts.temporal_position for item in group} - {None}
    split_by_phase = any(_PHASE_KEYS.intersection(item.stack.split_by) for item in group)
    if len(positions) > 1 or split_by_phase:
        return [replace(item, time_s=None, last_time_s=None) for item in group]
    return list(group)
