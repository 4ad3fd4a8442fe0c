"""Whatever nights, exports and answers come: no duplicate, legal moves only, every event kept."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.queries.exchange import plan_export
from tasks.queries.states import (
    ENDED,
    MOVES,
    STANDING,
    Answer,
    ClosedReason,
    QueryEvent,
    Status,
    fold,
    next_event,
)
from tasks.queries.sync import Scope, plan_sync
from tests.unit.queries.builders import DAY, about, night

IDS = st.sampled_from(["f1", "f2", "f3"])
NIGHTS = st.tuples(
    st.just("night"),
    st.frozensets(IDS),
    st.sampled_from([Scope(whole=True), Scope(site_code="S91"), Scope(site_code="S92")]),
    st.dictionaries(IDS, st.sampled_from([ClosedReason.WONT_FIX]), max_size=1),
)
EXPORTS = st.tuples(st.just("export"))
ANSWERS = st.tuples(st.just("answer"), IDS, st.sampled_from(list(Answer)))
ACTS = st.lists(st.one_of(NIGHTS, EXPORTS, ANSWERS), max_size=12)


def play(acts: list[tuple]) -> list[list[QueryEvent]]:  # type: ignore[type-arg]  # acts of three kinds
    """Return the history after each act."""
    events: list[QueryEvent] = []
    histories = [events]
    for number, act in enumerate(acts, start=1):
        queries, day = fold(events), DAY + dt.timedelta(days=number)
        if act[0] == "night":
            found = (about(name) for name in sorted(act[1]))
            events = events + plan_sync(queries, night(number, *found, scope=act[2], waived=act[3]))
        elif act[0] == "export":
            events = events + plan_export(
                queries.values(), today=day, due_on=day, run="r", actor="u", n_batches=number
            )
        else:
            query = queries.get(f"Q-{act[1]}")
            if query is not None and query.status is Status.OPEN:
                answered = next_event(query, Status.ANSWERED, on=day, actor="s", n_batches=number)
                events = [*events, replace(answered, answer=act[2])]
        histories.append(events)
    return histories


@given(ACTS)
def test_history_only_grows_and_moves_only_as_allowed(acts: list[tuple]) -> None:  # type: ignore[type-arg]  # see play
    histories = play(acts)
    for before, later in pairwise(histories):
        assert later[: len(before)] == before
    for query in fold(histories[-1]).values():
        states = [None, *(event.status for event in query.events)]
        assert all(new in MOVES[old] for old, new in pairwise(states))


@given(ACTS)
def test_a_finding_has_one_query_and_a_second_look_changes_nothing(acts: list[tuple]) -> None:  # type: ignore[type-arg]  # see play
    events = play(acts)[-1]
    queries = fold(events)
    assert len({q.about.finding_id for q in queries.values()}) == len(queries)
    same = night(len(acts) + 1, *(about(name) for name in ("f1", "f2")))
    once = [*events, *plan_sync(queries, same)]
    assert plan_sync(fold(once), same) == []


@given(ACTS, st.frozensets(IDS))
def test_after_a_look_at_everything_a_query_stands_where_its_finding_does(
    acts: list[tuple],  # type: ignore[type-arg]  # see play
    found: frozenset[str],
) -> None:
    events = play(acts)[-1]
    last = night(len(acts) + 1, *(about(name) for name in sorted(found)))
    queries = fold([*events, *plan_sync(fold(events), last)])
    for query in queries.values():
        assert query.status in (STANDING if query.about.finding_id in found else ENDED)
    assert {f"Q-{name}" for name in found} <= queries.keys()
