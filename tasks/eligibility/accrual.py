"""Who was screened and enrolled, by site, real month and stratum (restricted).

Real months stay in the restricted zone: beside the shifted dates of a release a month with few
persons would tell their shifts. So none of this enters a release or a report.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from schemas.clinical_rows import ClinicalRow

ENROLLED, UNKNOWN = "enrolled", "unknown"
#: Enrolled by the other forms, but the screening log does not say so.
NOT_IN_LOG = "enrolled_not_in_screening_log"


@dataclass(frozen=True)
class AccrualCount:
    """How many persons of a site had one outcome in one month; `cumulative` up to its end.

    `ascertainment` is unknown of persons who were not enrolled: no form asks for it.
    """

    site_code: str
    ascertainment: str
    outcome: str
    month: str
    n: int
    cumulative: int


@dataclass(frozen=True)
class Interval:
    """The days between two consecutive enrolments of a site, and who was screened in between.

    A long one with nobody screened is a gap in consecutive enrolment.
    """

    site_code: str
    enrolled_on: dt.date = field(repr=False)
    next_enrolled_on: dt.date = field(repr=False)
    days: int
    screened_between: int


def count_accrual(rows: Sequence[ClinicalRow]) -> list[AccrualCount]:
    """Return the counts by site, stratum, outcome and month; every person is in exactly one.

    A screening known to no month is counted in the month `unknown`, which stands last.
    """
    strata = strata_of(rows)
    people: Counter[tuple[str, str, str, str]] = Counter()
    logged = set()
    for row in _log(rows):
        logged.add(row.subject_id)
        stratum = strata.get(row.subject_id, UNKNOWN)
        people[row.site, stratum, _outcome(row), month_of(row)] += 1
    for row in rows:
        if row.form == "demographics" and row.subject_id not in logged:
            people[row.site, strata[row.subject_id], NOT_IN_LOG, UNKNOWN] += 1
    so_far: Counter[tuple[str, str, str]] = Counter()
    counts = []
    for (site, stratum, outcome, month), n in sorted(people.items()):
        so_far[site, stratum, outcome] += n
        counts.append(
            AccrualCount(site, stratum, outcome, month, n, so_far[site, stratum, outcome])
        )
    return counts


def enrolment_intervals(rows: Sequence[ClinicalRow]) -> list[Interval]:
    """Return the intervals between consecutive enrolments of each site, the longest first.

    Only screenings known to the day can be put in order.
    """
    days: dict[str, list[tuple[dt.date, bool]]] = defaultdict(list)
    for row in _log(rows):
        date = row.date("screened_on")
        if date is not None and date.exact is not None:
            days[row.site].append((date.exact, _outcome(row) == ENROLLED))
    found = []
    for site, screened in days.items():
        enrolled = sorted(day for day, is_enrolled in screened if is_enrolled)
        others = [day for day, is_enrolled in screened if not is_enrolled]
        for first, second in pairwise(enrolled):
            between = len([day for day in others if first <= day <= second])
            found.append(Interval(site, first, second, (second - first).days, between))
    return sorted(found, key=lambda one: (-one.days, one.site_code, one.enrolled_on))


def cumulative_enrolment(rows: Sequence[ClinicalRow]) -> dict[str, list[tuple[dt.date, int]]]:
    """Return the points of the cumulative plot by stratum: days and persons enrolled by then."""
    strata = strata_of(rows)
    days: dict[str, list[dt.date]] = defaultdict(list)
    for row in _log(rows):
        date = row.date("screened_on")
        if _outcome(row) == ENROLLED and date is not None and date.exact is not None:
            days[strata.get(row.subject_id, UNKNOWN)].append(date.exact)
    return {
        stratum: [(day, n) for n, day in enumerate(sorted(found), 1)]
        for stratum, found in sorted(days.items())
    }


def _log(rows: Iterable[ClinicalRow]) -> list[ClinicalRow]:
    return [row for row in rows if row.form == "screening_log"]


def strata_of(rows: Iterable[ClinicalRow]) -> dict[str, str]:
    """Return the stratum of each person with a demographics form."""
    return {
        row.subject_id: row.text("ascertainment") or UNKNOWN
        for row in rows
        if row.form == "demographics"
    }


def _outcome(row: ClinicalRow) -> str:
    """Return `enrolled`, or why not; `unknown` when the log does not say."""
    said = row.text("enrolled")
    if said == "yes":
        return ENROLLED
    return (row.text("reason_not_enrolled") or UNKNOWN) if said == "no" else UNKNOWN


def month_of(row: ClinicalRow) -> str:
    """Return the real month of a screening, `unknown` when it is known to none."""
    date = row.date("screened_on")
    return f"{date.year}-{date.month:02}" if date is not None and date.month else UNKNOWN
