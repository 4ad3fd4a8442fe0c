"""SIGTERM ends a run where its next step begins, also where a library swallowed what it raised."""

from __future__ import annotations

import os
import signal
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from schemas.run.progress import no_step, stage_progress, tell_step
from schemas.run.stage_errors import redacted_errors
from schemas.run.stopping import Stopped, stopped_by_sigterm
from schemas.run.zones import Zones

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"  # of the callback
)


class _Referred:
    """Something that a library holds a weak reference to."""


def sigterm_while_a_callback_runs() -> None:
    """Send SIGTERM to this process where Python prints what is raised, and goes on."""
    referred = _Referred()
    kept = weakref.ref(referred, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del referred
    assert kept() is None


def asked_and_failed() -> None:
    sigterm_while_a_callback_runs()
    raise RuntimeError("of a library")


def held() -> None:
    """Do as a stage does with one bad file."""
    with suppress(Exception):
        asked_and_failed()


def run(*works: Callable[[], object]) -> None:
    """Run as a command does; every piece of work but the last is expected to be stopped."""
    with stopped_by_sigterm():
        for work in works[:-1]:
            with pytest.raises(Stopped):
                work()
        works[-1]()


def in_stage(name: str, zones: Zones, work: Callable[[], None]) -> Callable[[], None]:
    def stage() -> None:
        with redacted_errors(name, zones):
            work()

    return stage


def test_what_a_callback_swallowed_is_raised_again_at_the_next_step() -> None:
    def asked_and_told() -> None:
        sigterm_while_a_callback_runs()
        tell_step("S91", "convert", 1, 2)

    def part_told() -> None:
        stage_progress("convert", "S91")(1, 2)

    with pytest.raises(Stopped):
        run(asked_and_told, part_told, lambda: tell_step("S91", "", 2, 2))
    tell_step("S91", "convert", 1, 2)
    no_step()


def test_what_a_library_made_of_it_is_no_error_of_a_stage_and_nothing_is_committed(
    tmp_path: Path,
) -> None:
    zones, committed = Zones(tmp_path), list[bool]()
    convert = in_stage("convert", zones, asked_and_failed)
    commit = in_stage("commit", zones, lambda: committed.append(True))
    with pytest.raises(Stopped):
        run(convert, commit)
    assert committed == []
    assert not (zones.restricted / "errors").exists()


def test_a_stage_that_held_a_file_for_it_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(in_stage("deidentify", Zones(tmp_path), held), lambda: None)
    for alone in (held, asked_and_failed):
        with pytest.raises(Stopped):
            run(alone)


def test_without_a_signal_steps_go_on() -> None:
    run(lambda: tell_step("S91", "convert", 1, 2))
    no_step()
