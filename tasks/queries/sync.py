"""What a night's findings do to the queries: raise, close, issue again. Pure.

A query closes only where its rule was looked at again and no longer finds anything; what was
not looked at stays as it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tasks.queries.states import (
    ENDED,
    STANDING,
    About,
    Answer,
    ClosedReason,
    Query,
    QueryEvent,
    Status,
    next_event,
    query_id,
)

ACTOR = "livercohort"


@dataclass(frozen=True)
class Scope:
    """What was looked at: the whole cohort, or rules and rows of one site's batch.

    A batch with forms brings all forms of the site, so what an earlier one had wrong and this
    one has not is mended.
    """

    whole: bool = False
    site_code: str = ""
    rules: frozenset[str] = frozenset()
    objects: frozenset[tuple[str, str]] = frozenset()
    with_forms: bool = False

    def covers(self, about: About) -> bool:
        """Return whether the finding of a query would have been found again."""
        if self.whole:
            return True
        if about.site_code != self.site_code:
            return False
        if about.object_type in ("form", "file"):
            return self.with_forms
        return about.rule_id in self.rules and (about.object_type, about.object_id) in self.objects


@dataclass(frozen=True)
class Night:
    """What a night knows.

    Parameters
    ----------
    today : datetime.date
        The day the events bear.
    abouts : tuple of About
        Findings for sites that stand.
    scope : Scope
        What was looked at.
    n_batches : mapping of str to int
        Batches taken in, by site.
    waived : mapping of str to ClosedReason
        Finding id → how a waiver closes its query.
    withdrawn : frozenset of str
        Subjects without consent any more.
    """

    today: dt.date
    abouts: tuple[About, ...]
    scope: Scope
    n_batches: Mapping[str, int] = field(default_factory=dict)
    waived: Mapping[str, ClosedReason] = field(default_factory=dict)
    withdrawn: frozenset[str] = frozenset()


def plan_sync(queries: Mapping[str, Query], night: Night) -> list[QueryEvent]:
    """Return the events of a night, by query; none where nothing changed."""
    standing = {query_id(a.finding_id): a for a in night.abouts if _is_asked(a, night)}
    events = [
        _raised(name, about, night) for name, about in standing.items() if name not in queries
    ]
    for name, query in queries.items():
        event = _move(query, standing.get(name), night)
        if event:
            events.append(event)
    return sorted(events, key=lambda event: event.query_id)


def _is_asked(about: About, night: Night) -> bool:
    return about.finding_id not in night.waived and about.subject_id not in night.withdrawn


def _raised(name: str, about: About, night: Night) -> QueryEvent:
    n_batches = night.n_batches.get(about.site_code, 0)
    return QueryEvent(name, 1, Status.CANDIDATE, night.today, ACTOR, n_batches, about=about)


def _move(query: Query, about: About | None, night: Night) -> QueryEvent | None:
    if about is not None:
        return _found_again(query, about, night)
    if query.status not in STANDING:
        return None
    reason = _why_ended(query, night)
    if reason is None:
        return None
    ended = Status.CANCELLED if query.status is Status.CANDIDATE else Status.CLOSED
    return replace(_next(query, ended, night), closed_reason=reason)


def _found_again(query: Query, about: About, night: Night) -> QueryEvent | None:
    if query.status in ENDED:
        again = Status.CANDIDATE if query.status is Status.CANCELLED else Status.REISSUED
        return replace(_next(query, again, night), about=about)
    delivered = night.n_batches.get(about.site_code, 0) > query.last.n_batches
    not_mended = query.status is Status.ANSWERED and query.answer is Answer.CORRECTED and delivered
    return replace(_next(query, Status.REISSUED, night), about=about) if not_mended else None


def _why_ended(query: Query, night: Night) -> ClosedReason | None:
    if query.about.subject_id in night.withdrawn:
        return ClosedReason.WITHDRAWN
    if query.about.finding_id in night.waived:
        return night.waived[query.about.finding_id]
    if not night.scope.covers(query.about):
        return None
    said_so = query.status is Status.ANSWERED and query.answer is Answer.CORRECTED
    return ClosedReason.DATA_CORRECTED if said_so else ClosedReason.AUTO_RESOLVED


def _next(query: Query, status: Status, night: Night) -> QueryEvent:
    n_batches = night.n_batches.get(query.about.site_code, 0)
    return next_event(query, status, on=night.today, actor=ACTOR, n_batches=n_batches)
