"""Queries to sites, counted: how many wait and how long, and how long closing takes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from schemas.records import Finding, QueryRow

#: In the order of a query's life; one that is not among them is shown after them.
STATUSES = ("candidate", "open", "answered", "reissued", "closed", "cancelled")
ENDED = frozenset({"closed", "cancelled"})
#: Upper bounds in days of the classes of age; the last is open-ended.
AGE_CLASSES_DAYS = (7, 14, 28)
ALL_SITES = "all"
#: The id of a query is that of its finding behind this.
_PREFIX = "Q-"
#: Rows of a site's own page.
_SITE_ROWS = 30


@dataclass(frozen=True)
class QueryLine:
    """The queries of one site: by status, by age while they wait, median days to close."""

    site_code: str
    n: int
    counts: Mapping[str, int]
    ages: tuple[int, ...]
    oldest_days: int | None
    median_days: float | None

    @property
    def n_waiting(self) -> int:
        """Queries that have not ended."""
        return sum(n for status, n in self.counts.items() if status not in ENDED)


def finding_of_query(query_id: str) -> str:
    """Return the id of the finding that a query is about."""
    return query_id.removeprefix(_PREFIX)


def queries_by_finding(queries: Iterable[QueryRow]) -> dict[str, QueryRow]:
    """Return queries by the finding each is about."""
    return {finding_of_query(one.query_id): one for one in queries}


def count_queries(site_code: str, queries: Sequence[QueryRow]) -> QueryLine:
    """Return one line; only queries that have not ended have an age."""
    ages = [one.age_days for one in queries if one.age_days is not None and one.status not in ENDED]
    classes = Counter(sum(age > bound for bound in AGE_CLASSES_DAYS) for age in ages)
    closed = [one.days_to_close for one in queries if one.days_to_close is not None]
    return QueryLine(
        site_code=site_code,
        n=len(queries),
        counts=Counter(one.status for one in queries),
        ages=tuple(classes[number] for number in range(len(AGE_CLASSES_DAYS) + 1)),
        oldest_days=max(ages, default=None),
        median_days=median(closed) if closed else None,
    )


def site_queries_context(
    site_code: str, queries: Iterable[QueryRow], findings: Iterable[Finding]
) -> dict[str, Any]:
    """Return the queries of a site that wait, the oldest first, with their findings."""
    standing = {one.finding_id: one for one in findings}
    own = [one for one in queries if one.site_code == site_code and one.status not in ENDED]
    own.sort(key=lambda one: (-(one.age_days or 0), one.query_id))
    return {
        "queries": [
            (one, standing.get(finding_of_query(one.query_id))) for one in own[:_SITE_ROWS]
        ],
        "n_queries_more": max(0, len(own) - _SITE_ROWS),
    }


def queries_context(queries: Sequence[QueryRow]) -> dict[str, Any]:
    """Return what the page of queries shows: one line per site that has any, and their sum."""
    sites = sorted({one.site_code for one in queries})
    lower = (0, *(bound + 1 for bound in AGE_CLASSES_DAYS))
    return {
        "queries": tuple(
            count_queries(code, [one for one in queries if one.site_code == code]) for code in sites
        ),
        "all_queries": count_queries(ALL_SITES, queries),
        "statuses": tuple(dict.fromkeys((*STATUSES, *sorted({one.status for one in queries})))),
        "age_classes": tuple(zip(lower, (*AGE_CLASSES_DAYS, None), strict=True)),
    }
