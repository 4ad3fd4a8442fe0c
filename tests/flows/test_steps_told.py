"""A night and a release say which step begins, so that no terminal is silent."""

from __future__ import annotations

import logging

import pytest

from flows.run_console import steps_shown
from schemas.run.progress import LOGGER_NAME


def test_each_step_is_told_when_it_begins_and_the_end_as_done(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(LOGGER_NAME), "propagate", True)
    moved: list[float] = []
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        step = steps_shown(moved.append, "release", 4)
        for name in ("collect", "tables", "tables", "checks"):
            step(name)
        step("")
    assert moved == [0.0, 25.0, 25.0, 50.0, 100.0]
    assert [record.getMessage() for record in caplog.records] == [
        "release: collect (1 of 4)",
        "release: tables (2 of 4)",
        "release: tables (2 of 4)",
        "release: checks (3 of 4)",
        "release: done",
    ]
