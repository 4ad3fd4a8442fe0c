"""Verdicts by stratum (STARD item 5) and site, counted from the tables of a release: pure.

Without months: real ones beside shifted dates would tell the shifts of a month with few
persons. They stand in `restricted/accrual/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.report.tables import EligibilityRow, SubjectRow

STRATA = ("prospective", "retrospective", "unknown")
ALL_SITES = "all"
_DECIDED = ("eligible", "ineligible")


@dataclass(frozen=True)
class StratumCount:
    """Subjects of one site and stratum by status; together they are all subjects of it."""

    site_code: str
    stratum: str
    subjects: int
    eligible: int
    undetermined: int
    ineligible: int


def count_strata(
    subjects: Iterable[SubjectRow], verdicts: Iterable[EligibilityRow], reading: str
) -> tuple[StratumCount, ...]:
    """Return the counts of the whole cohort, then of each site; strata without a subject too.

    A subject without a verdict is undetermined.
    """
    status = {row.subject_id: row.status for row in verdicts if row.reading == reading}
    counts: Counter[tuple[str, str, str]] = Counter()
    sites = set()
    for one in subjects:
        stratum = one.ascertainment if one.ascertainment in STRATA else "unknown"
        found = status.get(one.subject_id, "undetermined")
        sites.add(one.site_code)
        for site in (ALL_SITES, one.site_code):
            counts[site, stratum, found if found in _DECIDED else "undetermined"] += 1
    return tuple(
        StratumCount(
            site,
            stratum,
            sum(counts[site, stratum, name] for name in (*_DECIDED, "undetermined")),
            counts[site, stratum, "eligible"],
            counts[site, stratum, "undetermined"],
            counts[site, stratum, "ineligible"],
        )
        for site in (ALL_SITES, *sorted(sites))
        for stratum in STRATA
    )
