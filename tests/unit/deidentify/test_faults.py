"""Whatever fails, in whatever rule: the object is held, nothing of it is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.states import FileState, ReasonCode
from tasks.deidentify import identifiers, objects, store_worker, trails
from tasks.deidentify.gathered import Gathered
from tasks.deidentify.job_records import Job
from tasks.deidentify.packed import pack
from tasks.deidentify.plan import admission, pixel_bytes, plan, plan_private, rebuild
from tasks.deidentify.rules.profile import Action
from tasks.deidentify.settle import settle
from tasks.deidentify.store_worker import Subjects, run_job, start_worker
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import RING, SITE
from tests.unit.deidentify.multi_frame import make_enhanced

STEPS: list[tuple[Any, str]] = [
    (objects, "scan_file"),
    (objects, "check_admission"),
    (objects, "decode_text"),
    (objects, "plan_actions"),
    (objects, "rebuild"),
    (objects, "dcmread"),
    (objects, "read_features"),
    (objects, "harvest_identifiers"),
    (objects, "count_actions"),
    (objects, "trail_of"),
    (admission, "check_pixel_bytes"),
    (pixel_bytes, "keep_numbers"),
    (objects, "harvest_facts"),
    (admission, "texts_of"),
    (trails, "options_run"),
    (identifiers, "walk"),
    (plan, "texts_of"),
    (plan, "shift_date"),
    (plan, "shift_datetime"),
    (plan, "read_time"),
    (plan, "clean_descriptor"),
    (plan, "keep_words"),
    (plan, "plan_private"),
    (plan_private, "rebuild_blob"),
    (rebuild, "encode_file"),
    (rebuild, "options_run"),
    (store_worker, "deidentify_object"),
]


class PlantedError(Exception):
    """What no code expects."""


def fail(*args: object, **kwargs: object) -> None:
    raise PlantedError("Zhang^Weiming 88123456")


@pytest.fixture
def outcome(tmp_path: Path) -> Callable[[], tuple[str, str | None]]:
    data = make_enhanced()
    data.SeriesDescription = "t1 vibe Zhang"
    data.PatientAge = "070Y"
    block = data.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", b"SV10")
    source = tmp_path / "in"
    source.write_bytes(to_bytes(data))
    staging = tmp_path / "staging"
    staging.mkdir()
    start_worker(Subjects(RING, site=SITE), staging, 60.0)

    def run() -> tuple[str, str | None]:
        result = run_job(Job(1, source, source.stat().st_size))
        gathered = Gathered()
        list(gathered.take_in([pack([result])]))
        (settled,) = settle(gathered.files, gathered.moved_by).to_pylist()
        if settled["reason"] == ReasonCode.STAGE_FAILED:
            assert list(staging.iterdir()) == []
            assert "Zhang" not in repr(result)
        return settled["state"], settled["reason"]

    return run


@pytest.fixture(autouse=True)
def _logging_as_before() -> Any:
    import logging

    yield
    logging.disable(logging.NOTSET)


def test_without_a_fault_the_object_is_accepted(
    outcome: Callable[[], tuple[str, str | None]],
) -> None:
    assert outcome() == (FileState.ACCEPTED, None)


@pytest.mark.parametrize(("module", "name"), STEPS, ids=lambda v: getattr(v, "__name__", v))
def test_a_fault_in_any_step_holds_the_object(
    module: Any,
    name: str,
    outcome: Callable[[], tuple[str, str | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, name, fail)
    assert outcome() == (FileState.QUARANTINED, ReasonCode.STAGE_FAILED)


ACTIONS_MET = sorted(set(Action) - {Action.FIXED, Action.REMOVE, Action.PRIVATE})


@pytest.mark.parametrize("action", ACTIONS_MET, ids=str)
def test_a_fault_in_the_rule_of_any_action_holds_the_object(
    action: Action,
    outcome: Callable[[], tuple[str, str | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(plan._ACTORS, action, fail)
    assert outcome() == (FileState.QUARANTINED, ReasonCode.STAGE_FAILED)


@pytest.mark.parametrize("error", [MemoryError, RecursionError, KeyError, UnicodeError, OSError])
def test_the_kind_of_the_error_does_not_matter(
    error: type[Exception],
    outcome: Callable[[], tuple[str, str | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raise_it(*args: object) -> None:
        raise error

    monkeypatch.setattr(objects, "plan_actions", raise_it)
    assert outcome() == (FileState.QUARANTINED, ReasonCode.STAGE_FAILED)


def test_a_rule_that_writes_something_else_than_planned_pixels_is_noticed(
    outcome: Callable[[], tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_pixels(actions: Any, syntax: str) -> bytes:
        made = rebuild.rebuild(actions, syntax)
        return made[:-1] + bytes([made[-1] ^ 1])

    monkeypatch.setattr(objects, "rebuild", other_pixels)
    assert outcome() == (FileState.QUARANTINED, ReasonCode.STAGE_FAILED)


def test_a_date_written_otherwise_than_planned_holds_the_person(
    outcome: Callable[[], tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slip_a_day(actions: Any, syntax: str) -> bytes:
        made = rebuild.rebuild(actions, syntax)
        at = made.index(b"\x08\x00\x20\x00DA\x08\x00") + 15
        return made[:at] + bytes([made[at] ^ 1]) + made[at + 1 :]

    monkeypatch.setattr(objects, "rebuild", slip_a_day)
    state, reason = outcome()
    assert state == FileState.QUARANTINED
    assert reason in (ReasonCode.INTERVAL_MISMATCH, ReasonCode.STAGE_FAILED)


def test_an_object_that_cannot_be_written_is_held(
    outcome: Callable[[], tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def only_to_read(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_WRONLY:
            fail()
        return opened(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", only_to_read)
    assert outcome() == (FileState.QUARANTINED, ReasonCode.STAGE_FAILED)


def test_what_a_first_write_leaves_out_is_written_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").write_bytes(to_bytes(make_instance()))
    start_worker(Subjects(RING, site=SITE), tmp_path, 60.0)
    monkeypatch.setattr(os, "writev", lambda descriptor, parts: os.write(descriptor, parts[0][:9]))
    result = run_job(Job(1, tmp_path / "in", 1))
    assert result.staged is not None
    assert hashlib.sha256(Path(result.staged).read_bytes()).hexdigest() == result.output_sha256


def test_a_plain_classic_instance_is_held_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    source.write_bytes(to_bytes(make_instance()))
    start_worker(Subjects(RING, site=SITE), tmp_path, 60.0)
    monkeypatch.setattr(plan, "_plan_elements", fail)
    result = run_job(Job(1, source, source.stat().st_size))
    assert result.reason is ReasonCode.STAGE_FAILED
