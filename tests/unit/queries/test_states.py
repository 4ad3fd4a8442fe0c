"""A query moves only as the table of moves says, closes where its rule passes, comes back once."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from schemas.errors import ContractError
from tasks.queries.ageing import ageing, ageing_rows, oldest_open, report_rows
from tasks.queries.exchange import plan_export
from tasks.queries.states import (
    MOVES,
    Answer,
    ClosedReason,
    Query,
    QueryEvent,
    Status,
    fold,
    next_event,
)
from tasks.queries.sync import Scope, plan_sync
from tests.unit.queries.builders import DAY, about, after, night


def exported(queries: dict[str, Query], day: dt.date) -> dict[str, Query]:
    due = day + dt.timedelta(days=14)
    opened = plan_export(
        queries.values(), today=day, due_on=due, run="000001", actor="user", n_batches=1
    )
    return fold([*all_events(queries), *opened])


def all_events(queries: dict[str, Query]) -> list[QueryEvent]:
    return [event for query in queries.values() for event in query.events]


def answered(queries: dict[str, Query], answer: Answer, day: dt.date) -> dict[str, Query]:
    events = [
        replace(
            next_event(query, Status.ANSWERED, on=day, actor="site S91", n_batches=1),
            answer=answer,
        )
        for query in queries.values()
    ]
    return fold([*all_events(queries), *events])


def next_night(queries: dict[str, Query], *abouts: object, number: int = 2, **changes: object):  # type: ignore[no-untyped-def]
    events = plan_sync(queries, night(number, *abouts, **changes))  # type: ignore[arg-type]
    return fold([*all_events(queries), *events])


OPEN = exported(after(night(1, about())), DAY)


def test_a_finding_for_a_site_becomes_a_candidate_once_over_many_nights() -> None:
    (query,) = after(night(1, about()), night(2, about()), night(3, about())).values()
    assert query.status is Status.CANDIDATE
    assert len(query.events) == 1


def test_a_candidate_whose_finding_goes_is_cancelled_and_never_sent() -> None:
    (query,) = after(night(1, about()), night(2)).values()
    assert (query.status, query.closed_reason) == (Status.CANCELLED, ClosedReason.AUTO_RESOLVED)
    assert plan_export([query], today=DAY, due_on=DAY, run="r", actor="u", n_batches=1) == []


def test_an_open_query_closes_by_itself_when_the_rule_passes() -> None:
    (query,) = next_night(OPEN).values()
    assert (query.status, query.closed_reason) == (Status.CLOSED, ClosedReason.AUTO_RESOLVED)


def test_an_answer_that_the_data_bear_out_closes_as_corrected() -> None:
    (query,) = next_night(answered(OPEN, Answer.CORRECTED, DAY)).values()
    assert query.closed_reason is ClosedReason.DATA_CORRECTED


def test_an_answer_is_believed_until_the_next_delivery_shows_otherwise() -> None:
    believed = answered(OPEN, Answer.CORRECTED, DAY)
    (same,) = next_night(believed, about(), number=1).values()
    assert same.status is Status.ANSWERED
    (again,) = next_night(believed, about(), number=2).values()
    assert again.status is Status.REISSUED


@pytest.mark.parametrize("answer", [Answer.CONFIRMED, Answer.CANNOT_MEND])
def test_a_site_cannot_close_its_own_query_a_waiver_does(answer: Answer) -> None:
    told = answered(OPEN, answer, DAY)
    (waits,) = next_night(told, about()).values()
    assert waits.status is Status.ANSWERED
    waived = {"f1": ClosedReason.CONFIRMED_AS_IS}
    closed = next_night(told, about(), waived=waived)
    assert closed["Q-f1"].closed_reason is ClosedReason.CONFIRMED_AS_IS
    (expired,) = next_night(closed, about(), number=3).values()
    assert expired.status is Status.REISSUED


def test_a_finding_that_comes_back_is_the_same_query_again() -> None:
    (query,) = next_night(next_night(OPEN), about(), number=3).values()
    assert (query.query_id, query.status) == ("Q-f1", Status.REISSUED)
    (sent,) = exported({query.query_id: query}, DAY + dt.timedelta(days=5)).values()
    assert (sent.status, sent.opened_on) == (Status.OPEN, DAY + dt.timedelta(days=5))


def test_a_withdrawn_subject_is_asked_about_no_more() -> None:
    mine = about(subject_id="S91-ABCD2345")
    opened = exported(after(night(1, mine)), DAY)
    (query,) = next_night(opened, mine, withdrawn=frozenset({"S91-ABCD2345"})).values()
    assert query.closed_reason is ClosedReason.WITHDRAWN


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (Scope(site_code="S92", rules=frozenset({"SER-MISSING-SLICES"})), Status.OPEN),
        (Scope(site_code="S91", rules=frozenset({"SER-MISSING-SLICES"})), Status.OPEN),
        (Scope(site_code="S91", objects=frozenset({("series", "2.25.1/f1")})), Status.OPEN),
        (
            Scope(
                site_code="S91",
                rules=frozenset({"SER-MISSING-SLICES"}),
                objects=frozenset({("series", "2.25.1/f1")}),
            ),
            Status.CLOSED,
        ),
    ],
    ids=["other site", "row not seen", "rule not run", "looked at again"],
)
def test_a_query_closes_only_where_its_rule_looked_again(scope: Scope, status: Status) -> None:
    assert next_night(OPEN, scope=scope)["Q-f1"].status is status


def test_a_finding_of_a_form_closes_with_the_next_forms_of_its_site_only() -> None:
    mine = about(object_type="form", object_id="pathology:3", rule_id="CLIN_VALUE_UNREADABLE")
    opened = exported(after(night(1, mine)), DAY)
    for with_forms, status in ((False, Status.OPEN), (True, Status.CLOSED)):
        scope = Scope(site_code="S91", with_forms=with_forms)
        assert next_night(opened, scope=scope)["Q-f1"].status is status


def test_an_illegal_move_or_a_gap_in_the_history_is_refused() -> None:
    (query,) = OPEN.values()
    with pytest.raises(ContractError, match="cannot move from open to candidate"):
        next_event(query, Status.CANDIDATE, on=DAY, actor="u", n_batches=1)
    with pytest.raises(ContractError, match="missing or stands twice"):
        fold(query.events[1:])
    with pytest.raises(ContractError, match="missing or stands twice"):
        fold([*query.events, query.events[-1]])


def test_every_state_can_be_reached_and_left() -> None:
    reached = {new for allowed in MOVES.values() for new in allowed}
    assert reached == set(Status)
    assert all(MOVES[status] for status in Status)


def test_ages_and_days_to_close_are_counted_from_telling_the_site() -> None:
    two = exported(after(night(1, about("f1"), about("f2"))), DAY)
    one_closed = next_night(two, about("f2"), number=9)
    rows = ageing(one_closed.values(), DAY + dt.timedelta(days=20))
    assert [row.site_code for row in rows] == ["S91", "all"]
    assert rows[0].counts[Status.CLOSED] == 1
    assert rows[0].age_classes == (0, 0, 1, 0)
    assert (rows[0].overdue, rows[0].oldest_open_days) == (1, 20)
    assert rows[0].median_days_to_close == 9
    assert ageing_rows(one_closed.values(), DAY)[0]["open_15_28_days"] == 0


def test_the_oldest_open_query_is_the_one_whose_site_was_told_first() -> None:
    early = exported(after(night(1, about("f1"))), DAY)
    both = next_night(early, about("f1"), about("f2"), number=3)
    late = exported(both, DAY + dt.timedelta(days=5))
    found = oldest_open(late.values(), DAY + dt.timedelta(days=9))
    assert found is not None
    assert (found["query_id"], found["age_days"], found["site_code"]) == ("Q-f1", 9, "S91")


def test_a_query_that_was_answered_or_not_sent_is_not_the_oldest_open_one() -> None:
    raised = after(night(1, about()))
    assert oldest_open(raised.values(), DAY) is None
    assert oldest_open(answered(OPEN, Answer.CORRECTED, DAY).values(), DAY) is None
    assert oldest_open([], DAY) is None


def test_the_report_counts_ages_to_the_newest_event_and_none_for_what_ended() -> None:
    raised = after(night(1, about("f1"), about("f2")))
    closed = next_night(exported(raised, DAY + dt.timedelta(days=2)), about("f1"), number=8)
    rows = report_rows(closed.values())
    assert [(row.query_id, row.status, row.age_days) for row in rows] == [
        ("Q-f1", "open", 7),
        ("Q-f2", "closed", None),
    ]
    assert rows[1].days_to_close == 6
