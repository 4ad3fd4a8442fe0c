"""How old queries are and how long closing takes, per site. Pure."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from schemas.records import QueryRow
from tasks.queries.states import STANDING, Query, Status

#: Upper bounds in days of the classes of age; the last is open-ended.
AGE_CLASSES_DAYS = (7, 14, 28)
ALL_SITES = "all"


@dataclass(frozen=True)
class SiteAgeing:
    """The queries of one site, or of all.

    `median_days_to_close` counts from telling the site to closing, each query once, the newest
    time; None when nothing was closed after the site was told.
    """

    site_code: str
    counts: dict[Status, int]
    age_classes: tuple[int, ...]
    overdue: int
    oldest_open_days: int | None
    median_days_to_close: float | None


def ageing(queries: Iterable[Query], today: dt.date) -> list[SiteAgeing]:
    """Return one row per site, by code, and one for all."""
    listed = list(queries)
    sites = sorted({query.about.site_code for query in listed})
    own = [_row(s, [q for q in listed if q.about.site_code == s], today) for s in sites]
    return [*own, _row(ALL_SITES, listed, today)]


def ageing_rows(queries: Iterable[Query], today: dt.date) -> list[dict[str, object]]:
    """Return the table as plain rows, one column per state and class of age."""
    columns = ageing_columns()
    return [
        dict(
            zip(
                columns,
                (
                    one.site_code,
                    *(one.counts[status] for status in Status),
                    *one.age_classes,
                    one.overdue,
                    one.oldest_open_days,
                    one.median_days_to_close,
                ),
                strict=True,
            )
        )
        for one in ageing(queries, today)
    ]


def oldest_open(queries: Iterable[Query], today: dt.date) -> dict[str, object] | None:
    """Return the query that waits longest for its site, with its age in days; None without one."""
    asked = [q for q in queries if q.status is Status.OPEN and q.opened_on is not None]
    if not asked:
        return None
    query = min(asked, key=lambda q: (q.opened_on, q.query_id))
    opened = query.opened_on or today
    return {
        "query_id": query.query_id,
        "site_code": query.about.site_code,
        "rule_id": query.about.rule_id,
        "opened_on": opened.isoformat(),
        "due_on": query.due_on.isoformat() if query.due_on else None,
        "age_days": (today - opened).days,
    }


def report_rows(queries: Iterable[Query]) -> list[QueryRow]:
    """Return one row per query for the report, by id; ages in days since it was raised.

    Counted to the newest event of the register and not to today: the report of one release and
    one register is the same on every day.
    """
    listed = sorted(queries, key=lambda query: query.query_id)
    newest = max((query.last.on for query in listed), default=dt.date.min)
    return [
        QueryRow(
            query_id=query.query_id,
            site_code=query.about.site_code,
            rule_id=query.about.rule_id,
            status=query.status.value,
            age_days=(newest - query.raised_on).days if query.raised_on else None,
            days_to_close=query.days_to_close,
        )
        for query in listed
    ]


def ageing_columns() -> list[str]:
    """Return the names of the table's columns."""
    states = [status.value for status in Status]
    ends = ("overdue", "oldest_open_days", "median_days_to_close")
    return ["site_code", *states, *_class_names(), *ends]


def _row(site: str, queries: list[Query], today: dt.date) -> SiteAgeing:
    counts = Counter(query.status for query in queries)
    asked = [q for q in queries if q.status in STANDING and q.opened_on is not None]
    ages = [(today - q.opened_on).days for q in asked if q.opened_on is not None]
    closing = [days for q in queries if (days := q.days_to_close) is not None]
    waiting = [q for q in asked if q.status is Status.OPEN]
    return SiteAgeing(
        site_code=site,
        counts={status: counts[status] for status in Status},
        age_classes=_classes(ages),
        overdue=sum(q.due_on is not None and q.due_on < today for q in waiting),
        oldest_open_days=max(ages, default=None),
        median_days_to_close=float(median(closing)) if closing else None,
    )


def _classes(ages: Iterable[int]) -> tuple[int, ...]:
    counts = Counter(sum(age > bound for bound in AGE_CLASSES_DAYS) for age in ages)
    return tuple(counts[number] for number in range(len(AGE_CLASSES_DAYS) + 1))


def _class_names() -> list[str]:
    lower = (0, *(bound + 1 for bound in AGE_CLASSES_DAYS))
    closed = [f"open_{low}_{high}_days" for low, high in zip(lower, AGE_CLASSES_DAYS, strict=False)]
    return [*closed, f"open_over_{AGE_CLASSES_DAYS[-1]}_days"]
