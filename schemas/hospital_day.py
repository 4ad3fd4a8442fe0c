"""Which day it is at the hospitals; for gates and queries, never for a released table."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

_HOSPITAL_TIME = ZoneInfo("Asia/Shanghai")


def hospital_day(moment: dt.datetime) -> dt.date:
    """Return which day it was at the hospitals; a moment without a zone is theirs."""
    return hospital_moment(moment).date()


def hospital_moment(moment: dt.datetime) -> dt.datetime:
    """Return a moment in the time of the hospitals; one without a zone is theirs."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=_HOSPITAL_TIME)
    return moment.astimezone(_HOSPITAL_TIME)


def hospital_today() -> dt.date:
    """Return today's date at the hospitals."""
    return dt.datetime.now(_HOSPITAL_TIME).date()
