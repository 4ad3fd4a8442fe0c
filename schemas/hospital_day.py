"""Which day it is at the hospitals; for gates and queries, never for a released table."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

_HOSPITAL_TIME = ZoneInfo("Asia/Shanghai")


def hospital_today() -> dt.date:
    """Return today's date at the hospitals."""
    return dt.datetime.now(_HOSPITAL_TIME).date()
