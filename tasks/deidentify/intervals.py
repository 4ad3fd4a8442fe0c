"""Check that moving dates kept every interval: on what was written, not on what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date


def check_intervals(days: Iterable[tuple[date, date]]) -> bool:
    """Return whether all pairwise differences in days are the same before and after.

    Parameters
    ----------
    days : iterable of (date, date)
        Dates of one person: as delivered, and as written in their place.

    Notes
    -----
    All pairwise differences agree exactly when every date moved by the same number of days.
    """
    return len({(before - after).days for before, after in days}) <= 1
