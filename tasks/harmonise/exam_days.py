"""On which day an exam was made: of acquisition, else of the series, else of the study.

StudyDate (0008,0020) is the day of registration in some systems. Each attribute counts only
when no image of the exam has the one before it (decision D29).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from schemas.dicom.features import InstanceFeatures

_DAY_S = 86_400.0
#: A pause as long as this within an exam over midnight makes two sessions of it.
_LONGEST_PAUSE_S = 4 * 3600.0
#: No CT or MR is older, whatever a person's dates are shifted by: a placeholder.
_FIRST_YEAR = 1950
_LARGEST_DIFFERENCE_DAYS = 1
#: The attributes in their order, and the fields that hold them.
_SOURCES = {
    "AcquisitionDate": "acquisition_date",
    "SeriesDate": "series_date",
    "StudyDate": "study_date",
}


@dataclass(frozen=True)
class ExamDays:
    """Days of one exam as YYYYMMDD, all shifted or none.

    `day` is that of the exam and `source` the keyword it was read from; `last` is the last day
    on which images of it were acquired, when that is another session. `registered` is
    StudyDate. `differs` says that two attributes lie more than a day apart.
    """

    day: str | None
    source: str
    last: str | None
    registered: str | None
    differs: bool

    @property
    def on_two_days(self) -> bool:
        """Whether the images come from sessions of several days."""
        return self.last is not None and self.last != self.day


def exam_days(
    members: Sequence[InstanceFeatures], enhanced: Sequence[InstanceFeatures] = ()
) -> ExamDays:
    """Return the days of one exam.

    Parameters
    ----------
    members : sequence of InstanceFeatures
        Its images; computed ones count only when there is no other, their dates may be those
        of the computation.
    enhanced : sequence of InstanceFeatures
        Those of its contrast phases: of several sessions theirs is the exam's.
    """
    primary = [m for m in members if "SECONDARY" not in m.image_type] or list(members)
    registered = min(filter(None, (_plausible(m.study_date) for m in primary)), default=None)
    by_source = {
        source: sorted({d for m in primary if (d := _plausible(getattr(m, name))) is not None})
        for source, name in _SOURCES.items()
    }
    source = next((source for source, days in by_source.items() if days), None)
    if source is None:
        return ExamDays(None, "", None, registered, False)
    days, name = by_source[source], _SOURCES[source]
    day = days[0]
    sessions = source != "StudyDate" and not _is_one_session(primary, name, days)
    if sessions:
        of_phases = sorted({d for m in enhanced if (d := _plausible(getattr(m, name))) is not None})
        day = of_phases[0] if of_phases else day
    others = {d for d in days if d != day} if sessions else set()
    last = max(others, key=lambda d: abs(_ordinal(d) - _ordinal(day)), default=None)
    return ExamDays(day, source, last, registered, _differs(primary, day, days))


def _plausible(text: str | None) -> str | None:
    try:
        return text if text and _ordinal(text) and int(text[:4]) >= _FIRST_YEAR else None
    except ValueError:
        return None


def _ordinal(text: str) -> int:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8])).toordinal()


def _is_one_session(members: Sequence[InstanceFeatures], name: str, days: Sequence[str]) -> bool:
    if len(days) == 1:
        return True
    if _ordinal(days[-1]) - _ordinal(days[0]) > 1 or name != "acquisition_date":
        return False
    moments = sorted(
        _ordinal(day) * _DAY_S + m.acquisition_time_s
        for m in members
        if (day := _plausible(m.acquisition_date)) and m.acquisition_time_s is not None
    )
    return bool(moments) and all(b - a <= _LONGEST_PAUSE_S for a, b in pairwise(moments))


def _differs(members: Sequence[InstanceFeatures], day: str, days: Sequence[str]) -> bool:
    acquired = [_ordinal(d) for d in (day, *days)]
    stated = {
        _ordinal(d)
        for m in members
        for value in (m.series_date, m.study_date)
        if (d := _plausible(value)) is not None
    }
    return any(
        min(abs(one - other) for other in acquired) > _LARGEST_DIFFERENCE_DAYS for one in stated
    )
