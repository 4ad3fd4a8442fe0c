"""A release that is not made is told, whoever runs it and however it gives its parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.run_console import told_when_not_made
from schemas.errors import GateBlockedError
from tests.flows.test_told_outside import receiving


@told_when_not_made
def release(bump: str = "auto", dry_run: bool = False) -> None:
    if bump == "minor":
        raise ValueError("a value of somebody")
    raise GateBlockedError("findings of severity blocker: SER-KEY")


def test_a_release_that_is_not_made_is_told_and_a_dry_run_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[dict[str, str]] = []
    monkeypatch.setenv("LIVERCOHORT_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with receiving(messages) as hook:
        monkeypatch.setenv("LIVERCOHORT_NOTIFY_WEBHOOK", hook)
        for given in (("auto", False), ("minor",), ("auto", True)):  # Prefect gives them by place
            with pytest.raises((GateBlockedError, ValueError)):
                release(*given)
        with pytest.raises(GateBlockedError):
            release(dry_run=True)
    assert [one["subject"] for one in messages] == ["livercohort: a release was not made"] * 2
    assert "SER-KEY" in messages[0]["text"]
    assert "ValueError" in messages[1]["text"]
    assert "somebody" not in messages[1]["text"]
