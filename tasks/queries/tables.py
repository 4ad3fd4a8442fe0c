"""Queries and their events as the tables of their contracts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from tasks.queries.states import Query

Row = dict[str, object]


def query_rows(queries: Iterable[Query]) -> list[Row]:
    """Return the rows of table `query`."""
    return [
        {
            "query_id": query.query_id,
            "status": query.status.value,
            "closed_reason": query.closed_reason.value if query.closed_reason else None,
            **asdict(query.about),
            "raised_on": query.events[0].on,
            "opened_on": query.opened_on,
            "due_on": query.due_on,
            "answer": query.answer.value if query.answer else None,
            "days_to_close": query.days_to_close,
            "n_events": len(query.events),
        }
        for query in queries
    ]


def event_rows(queries: Iterable[Query]) -> list[Row]:
    """Return the rows of table `query_event`, by query and number."""
    return [
        {
            "query_id": event.query_id,
            "seq": event.seq,
            "status": event.status.value,
            "event_on": event.on,
            "actor": event.actor,
            "n_batches": event.n_batches,
            "closed_reason": event.closed_reason.value if event.closed_reason else None,
            "answer": event.answer.value if event.answer else None,
            "due_on": event.due_on,
            "export_run": event.export_run,
            "answer_sha256": event.answer_sha256,
        }
        for query in queries
        for event in query.events
    ]
