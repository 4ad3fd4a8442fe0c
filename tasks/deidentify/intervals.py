"""Check that moving dates kept every interval: on what was written, not on what was meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date


def days_moved(days: Iterable[tuple[date, date]]) -> frozenset[int]:
    """Return by how many days dates moved back.

    Parameters
    ----------
    days : iterable of (date, date)
        Dates of one person: as delivered, and as written in their place.
    """
    return frozenset((before - after).days for before, after in days)


def intervals_kept(moved_by: Collection[int]) -> bool:
    """Return whether all pairwise differences in days are the same before and after.

    Notes
    -----
    All pairwise differences agree exactly when every date moved by the same number of days.
    """
    return len(moved_by) <= 1
