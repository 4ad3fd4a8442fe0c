"""When the injection began: the sources of an exam, best first.

ContrastBolusStartTime (0018,1042) if plausible, then the series that tracked the bolus. Phases
that names settle, and the gaps between acquisitions, give no time of their own: they bound
the solution of `tasks.harmonise.phase_solver`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.harmonise.exam_items import ExamItem
from tasks.harmonise.vocabulary import Rung, read_rungs

_SAME_START_S = 5.0
#: Tracking that lasts longer, or is not followed by a scan, is a test bolus of its own.
_LONGEST_TRACKING_S = 75.0
_SCAN_FOLLOWS_S = 70.0
_LEAST_TRACKING_S = 4.0
_BEGINS_NEAR_S = 15.0


@dataclass(frozen=True)
class TimeZero:
    """A source of the start of injection: the span it leaves, and what says so.

    `time_s` is the moment itself when the source states it.
    """

    rung: Rung
    earliest_s: float
    latest_s: float
    evidence: str
    time_s: float | None = None


def offset_s(item: ExamItem, zero: TimeZero | None) -> float | None:
    """Return seconds from a stated start of injection to the start of the acquisition."""
    if zero is None or zero.time_s is None or item.time_s is None:
        return None
    return item.time_s - zero.time_s


def find_time_zeros(items: Sequence[ExamItem]) -> list[TimeZero]:
    """Return the sources of an exam in their order of trust; none may be left.

    Parameters
    ----------
    items : sequence of ExamItem
        All sub-stacks of one exam on one clock (`tasks.harmonise.timeline`).
    """
    found = [_stated(items), _tracked(items)]
    return [zero for zero in found if zero is not None]


def _stated(items: Sequence[ExamItem]) -> TimeZero | None:
    starts = [i.contrast_start_s for i in items if i.contrast_start_s is not None]
    if not starts or max(starts) - min(starts) > _SAME_START_S:
        return None
    rung, start_s = read_rungs()["start_time"], min(starts)
    span = start_s + rung.earliest_s, start_s + rung.latest_s
    return TimeZero(rung, *span, "TIME-ZERO ContrastBolusStartTime", start_s)


def _tracked(items: Sequence[ExamItem]) -> TimeZero | None:
    tracking = [i for i in items if i.is_bolus_tracking and i.time_s is not None]
    first_s = min((i.time_s for i in tracking if i.time_s is not None), default=None)
    last_s = max((i.last_time_s for i in tracking if i.last_time_s is not None), default=None)
    if first_s is None or last_s is None or last_s - first_s > _LONGEST_TRACKING_S:
        return None
    follows = [
        i.time_s - last_s
        for i in items
        if i.decision.is_dynamic and i.time_s is not None and i.time_s > first_s
    ]
    if not follows or min(follows) > _SCAN_FOLLOWS_S:
        return None
    rung = read_rungs()["bolus_tracking"]
    earliest_s, latest_s = last_s + rung.earliest_s, last_s + rung.latest_s
    if last_s - first_s < _LEAST_TRACKING_S:
        # One stamp for the whole series: its beginning or its end, nobody knows.
        earliest_s, latest_s = first_s - 35.0, first_s + 10.0
    else:
        earliest_s = max(earliest_s, first_s - _BEGINS_NEAR_S)
        latest_s = max(earliest_s, min(latest_s, first_s + _BEGINS_NEAR_S))
    return TimeZero(rung, earliest_s, latest_s, "TIME-ZERO-TRACKING AcquisitionTime")
