"""The life of a query: states, legal moves, and the fold of its events. Pure.

Nothing of a query is stored but its events; what it is today follows from them. Its id follows
from the finding's, so a finding that stands for many nights is one query.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from schemas.errors import ContractError


class Status(StrEnum):
    """Where a query stands."""

    CANDIDATE = "candidate"
    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"
    REISSUED = "reissued"
    CANCELLED = "cancelled"


class ClosedReason(StrEnum):
    """Why a query was closed or cancelled."""

    DATA_CORRECTED = "data_corrected"
    CONFIRMED_AS_IS = "confirmed_as_is"
    AUTO_RESOLVED = "auto_resolved"
    WONT_FIX = "wont_fix"
    WITHDRAWN = "withdrawn"


class Answer(StrEnum):
    """What a site may answer."""

    CORRECTED = "corrected"
    CONFIRMED = "confirmed_as_is"
    CANNOT_MEND = "cannot_mend"


#: From which states a query may move to which; None is a query nobody raised yet.
MOVES: dict[Status | None, frozenset[Status]] = {
    None: frozenset({Status.CANDIDATE}),
    Status.CANDIDATE: frozenset({Status.OPEN, Status.CANCELLED}),
    Status.OPEN: frozenset({Status.ANSWERED, Status.CLOSED}),
    Status.ANSWERED: frozenset({Status.CLOSED, Status.REISSUED}),
    Status.CLOSED: frozenset({Status.REISSUED}),
    Status.REISSUED: frozenset({Status.OPEN, Status.CLOSED}),
    Status.CANCELLED: frozenset({Status.CANDIDATE}),
}
#: A site is to be told of these at the next export.
TO_BE_SENT = frozenset({Status.CANDIDATE, Status.REISSUED})
#: The finding is thought to stand.
STANDING = frozenset({Status.CANDIDATE, Status.OPEN, Status.ANSWERED, Status.REISSUED})
ENDED = frozenset({Status.CLOSED, Status.CANCELLED})


@dataclass(frozen=True)
class About:
    """What a query is about; pseudonyms and shifted dates only."""

    site_code: str
    finding_id: str
    rule_id: str
    severity: str
    object_type: str
    object_id: str
    field: str
    observed: str
    expected: str
    text_en: str
    text_zh: str
    subject_id: str | None = None
    examination_date_shifted: dt.date | None = None
    modality: str | None = None
    sequence_label: str | None = None


@dataclass(frozen=True)
class QueryEvent:
    """One thing that happened to a query; never changed, never removed.

    `n_batches` is how many batches of the site were taken in when it happened: a site that says
    *corrected* is believed until its next delivery. `about` comes with candidate and reissued.
    """

    query_id: str
    seq: int
    status: Status
    on: dt.date
    actor: str
    n_batches: int
    about: About | None = None
    closed_reason: ClosedReason | None = None
    answer: Answer | None = None
    due_on: dt.date | None = None
    export_run: str | None = None
    answer_sha256: str | None = None


@dataclass(frozen=True)
class Query:
    """A query as its events leave it."""

    query_id: str
    status: Status
    about: About
    events: tuple[QueryEvent, ...]

    @property
    def last(self) -> QueryEvent:
        """The newest event."""
        return self.events[-1]

    @property
    def raised_on(self) -> dt.date | None:
        """The day since which the finding stands; None when it ended."""
        found = None
        for event in self.events:
            if event.status in ENDED:
                found = None
            elif found is None:
                found = event.on
        return found

    @property
    def opened_on(self) -> dt.date | None:
        """The day the site was told, since the query last stood."""
        found = None
        for event in self.events:
            if event.status in ENDED:
                found = None
            elif event.status is Status.OPEN and found is None:
                found = event.on
        return found

    @property
    def due_on(self) -> dt.date | None:
        """The day an answer is due."""
        return next((e.due_on for e in reversed(self.events) if e.due_on), None)

    @property
    def closed_reason(self) -> ClosedReason | None:
        """Why it is closed; None while it is not."""
        return self.last.closed_reason

    @property
    def answer(self) -> Answer | None:
        """The newest answer."""
        return next((e.answer for e in reversed(self.events) if e.answer), None)

    @property
    def days_to_close(self) -> int | None:
        """Days between telling the site and closing, of the newest time it was closed."""
        closed = [i for i, e in enumerate(self.events) if e.status is Status.CLOSED]
        if not closed:
            return None
        before = self.events[: closed[-1]]
        start = max((i for i in closed[:-1]), default=-1)
        opened = [e.on for e in before[start + 1 :] if e.status is Status.OPEN]
        return (self.events[closed[-1]].on - opened[0]).days if opened else None


def query_id(finding_id: str) -> str:
    """Return the id of the one query about a finding; no spreadsheet takes it for a number."""
    return f"Q-{finding_id}"


def fold(events: Iterable[QueryEvent]) -> dict[str, Query]:
    """Return every query, by id, from all events.

    Raises
    ------
    ContractError
        If a number of an event is missing or stands twice, or a move is not legal.
    """
    by_id: dict[str, list[QueryEvent]] = defaultdict(list)
    for event in events:
        by_id[event.query_id].append(event)
    return {name: _fold_one(name, by_id[name]) for name in sorted(by_id)}


def next_event(
    query: Query, status: Status, *, on: dt.date, actor: str, n_batches: int
) -> QueryEvent:
    """Return the event that moves a query; the caller adds what belongs to it."""
    require_move(query.query_id, query.status, status)
    return QueryEvent(query.query_id, query.last.seq + 1, status, on, actor, n_batches)


def require_move(name: str, old: Status | None, new: Status) -> None:
    """Raise ContractError when a query may not move so."""
    if new not in MOVES[old]:
        raise ContractError(
            f"a query cannot move from {old or 'nothing'} to {new}", where=f"query {name}"
        )


def _fold_one(name: str, events: list[QueryEvent]) -> Query:
    ordered = sorted(events, key=lambda event: event.seq)
    if [event.seq for event in ordered] != list(range(1, len(ordered) + 1)):
        raise ContractError("an event is missing or stands twice", where=f"query {name}")
    status: Status | None = None
    about: About | None = None
    for event in ordered:
        require_move(name, status, event.status)
        status, about = event.status, event.about or about
    if status is None or about is None:
        raise ContractError("the first event does not say what it is about", where=f"query {name}")
    return Query(name, status, about, tuple(ordered))
