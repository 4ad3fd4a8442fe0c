"""SIGTERM ends a run where its next step begins, also where a library swallowed what it raised."""

from __future__ import annotations

import os
import signal
import weakref

import pytest

from schemas.run.progress import no_step, stage_progress, tell_step
from schemas.run.stopping import Stopped, stopped_by_sigterm


class _Referred:
    """Something that a library holds a weak reference to."""


def _sigterm_while_a_callback_runs() -> None:
    """Send SIGTERM to this process where Python prints what is raised, and goes on."""
    referred = _Referred()
    kept = weakref.ref(referred, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del referred
    assert kept() is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_callback_swallowed_is_raised_again_at_the_next_step() -> None:
    with stopped_by_sigterm():
        _sigterm_while_a_callback_runs()
        with pytest.raises(Stopped):
            tell_step("S91", "convert", 1, 2)
        with pytest.raises(Stopped):
            stage_progress("convert", "S91")(1, 2)
        tell_step("S91", "", 2, 2)  # all is done: nothing is left to stop
    tell_step("S91", "convert", 1, 2)
    no_step()


def test_without_a_signal_steps_go_on() -> None:
    with stopped_by_sigterm():
        tell_step("S91", "convert", 1, 2)
    no_step()
