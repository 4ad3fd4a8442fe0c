"""Every night leaves a record; one that says *running* while nobody runs was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import LivercohortError
from schemas.run.nights import NightState, last_night, recorded_night
from schemas.run.zones import Zones


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    return Zones(tmp_path)


def batch(state: str = "committed") -> dict[str, object]:
    return {"batch_id": "b1", "state": state, "counts": {"accepted": 3, "control": 1}}


def test_a_night_that_ended_says_what_it_took_in(zones: Zones) -> None:
    with recorded_night(zones, "S91") as night:
        night["batches"] += [batch(), batch()]
    record = last_night(zones, "S91", busy=False)
    assert record is not None
    assert (record.state, record.counts) == (NightState.DONE, {"accepted": 6, "control": 2})
    assert record.ended >= record.begun


def test_a_refused_export_or_a_held_batch_leaves_it_incomplete(zones: Zones) -> None:
    with recorded_night(zones, "S91") as night:
        night["refused"].append("export 1 of S91 is empty")
    with recorded_night(zones, "S92") as night:
        night["batches"].append(batch("held"))
    for site, told in (("S91", "export 1 of S91 is empty"), ("S92", "a batch is held")):
        record = last_night(zones, site, busy=False)
        assert record is not None
        assert (record.state, record.messages) == (NightState.INCOMPLETE, (told,))


def test_a_failed_night_keeps_its_message_and_no_value(zones: Zones) -> None:
    with pytest.raises(LivercohortError), recorded_night(zones, "S91"):
        raise LivercohortError("no space is left")
    with pytest.raises(ValueError, match="Ouyang"), recorded_night(zones, "S92"):
        raise ValueError("Ouyang^Zhaodi")
    for site, told in (("S91", "no space is left"), ("S92", "failed with ValueError")):
        record = last_night(zones, site, busy=False)
        assert record is not None
        assert record.messages == (told,)


def test_a_night_is_running_until_it_ends_and_killed_when_nobody_holds_the_site(
    zones: Zones,
) -> None:
    with recorded_night(zones, "S91"):
        running = last_night(zones, "S91", busy=True)
        killed = last_night(zones, "S91", busy=False)
    assert running is not None
    assert killed is not None
    assert (running.state, killed.state) == (NightState.RUNNING, NightState.KILLED)


def test_a_site_without_a_night_has_none(zones: Zones) -> None:
    assert last_night(zones, "S91", busy=False) is None


def test_a_record_of_a_clock_that_ran_ahead_does_not_hide_the_nights_after_it(
    tmp_path: Path,
) -> None:
    zones = Zones(tmp_path)
    with recorded_night(zones, "S91"):
        pass
    (path,) = (tmp_path / "operations" / "nights" / "S91").iterdir()
    ahead = path.with_name(f"2099-01-01T000000Z-{path.name.rpartition('-')[2]}")
    ahead.write_bytes(path.read_bytes().replace(b'"done"', b'"failed"'))
    last = last_night(zones, "S91", busy=False)
    assert last is not None
    assert last.state is NightState.DONE
    path.unlink()
    only = last_night(zones, "S91", busy=False)
    assert only is not None
    assert only.state is NightState.FAILED
