"""What is not there is told: late deliveries, killed nights, missing batches, unsent queries."""

from __future__ import annotations

import datetime as dt

import pytest

from schemas.run.nights import NightRecord, NightState
from schemas.run.site_files import Expectation
from tasks.operate.digest import digest_markdown, subject_of
from tasks.operate.facts import (
    Exports,
    HomeFacts,
    Level,
    Queries,
    SiteFacts,
    attention,
    delivery_of,
)
from tasks.operate.metrics import home_metrics, night_metrics

WEEKLY = Expectation(every_days=7, grace_days=2, since=dt.date(2026, 3, 1))


def night(state: NightState, *messages: str) -> NightRecord:
    return NightRecord("S91", "2026-03-20T01:15:00Z", state, messages=messages)


def home(**of_site: object) -> HomeFacts:
    return HomeFacts((SiteFacts("S91", **of_site),), free_gib=9, wanted_gib=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("last", "today", "due", "late"),
    [
        (None, "2026-03-05", "2026-03-08", 0),
        (None, "2026-03-10", "2026-03-08", 0),
        (None, "2026-03-11", "2026-03-08", 1),
        ("2026-03-09", "2026-03-17", "2026-03-16", 0),
        ("2026-03-09", "2026-03-30", "2026-03-16", 12),
        ("2026-02-01", "2026-03-08", "2026-03-08", 0),
    ],
)
def test_a_delivery_is_late_after_its_interval_and_its_grace(
    last: str | None, today: str, due: str, late: int
) -> None:
    last_on = dt.date.fromisoformat(last) if last else None
    found = delivery_of(WEEKLY, last_on, dt.date.fromisoformat(today))
    assert found is not None
    assert (found.due_on.isoformat(), found.late_days) == (due, late)


def test_a_site_that_promised_nothing_is_never_late() -> None:
    assert delivery_of(None, None, dt.date(2026, 3, 1)) is None


@pytest.mark.parametrize(
    ("of_site", "kind", "level"),
    [
        ({"missing_batches": ("b1",)}, "batch_missing", Level.ACT),
        ({"changed_batches": ("b1",)}, "batch_changed", Level.ACT),
        ({"held_batches": ("b1",)}, "held", Level.LOOK),
        ({"held_words": 2}, "words", Level.LOOK),
        ({"night": night(NightState.KILLED)}, "night", Level.ACT),
        ({"night": night(NightState.FAILED, "no space")}, "night", Level.ACT),
        ({"night": night(NightState.INCOMPLETE, "refused")}, "night", Level.ACT),
        ({"exports": Exports(ready=1, ready_hours=3)}, "ready", Level.LOOK),
        ({"exports": Exports(ready=1, ready_hours=60)}, "ready", Level.ACT),
        ({"exports": Exports(waiting=1)}, "waiting", Level.LOOK),
        ({"exports": Exports(loose=1)}, "loose", Level.LOOK),
        ({"delivery": delivery_of(WEEKLY, None, dt.date(2026, 4, 1))}, "late", Level.ACT),
        ({"queries": Queries(waiting_for_export=14)}, "queries", Level.LOOK),
    ],
)
def test_each_thing_that_is_not_as_it_should_be_is_told_once(
    of_site: dict[str, object], kind: str, level: Level
) -> None:
    (one,) = attention(home(**of_site))
    assert (one.kind, one.level, one.site_code) == (kind, level, "S91")


@pytest.mark.parametrize("state", [NightState.DONE, NightState.RUNNING])
def test_a_night_that_went_well_or_still_runs_needs_nobody(state: NightState) -> None:
    assert attention(home(night=night(state))) == []


def test_what_must_be_acted_on_comes_first_and_is_the_subject() -> None:
    facts = home(exports=Exports(waiting=1), missing_batches=("b1",))
    told = attention(HomeFacts(facts.sites, 1.0, 5.0, key_problem="the key cannot be read"))
    assert [one.kind for one in told] == ["disk", "key", "batch_missing", "waiting"]
    assert subject_of(told) == "livercohort: 3 to act on (batch_missing, disk, key) at S91"
    assert subject_of([]) == "livercohort: nothing needs a person"


def test_the_digest_says_of_each_site_what_came_and_what_is_due() -> None:
    facts = home(
        night=NightRecord(
            "S91", "2026-03-20T01:15:00Z", NightState.DONE, counts={"accepted": 8, "control": 2}
        ),
        delivery=delivery_of(WEEKLY, dt.date(2026, 3, 20), dt.date(2026, 3, 21)),
    )
    page = digest_markdown(facts, attention(facts), "2026-03-21")
    assert "| S91 | done 2026-03-20T01:15:00Z | 10 | 0 | 0 | 2026-03-27 | 0 | 0 |" in page
    assert page.count("Nothing.") == 2


def test_metrics_name_each_site_once_and_end_as_the_format_asks() -> None:
    facts = home(exports=Exports(ready=2))
    text = home_metrics(facts)
    assert 'livercohort_exports_ready{site="S91"} 2' in text
    assert "livercohort_disk_free_gib 9" in text
    assert text.endswith("# EOF\n")
    state = night_metrics(night(NightState.KILLED))
    assert 'livercohort_night_state{site="S91",state="killed"} 1' in state
    assert 'livercohort_night_state{site="S91",state="done"} 0' in state
