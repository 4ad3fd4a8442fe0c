"""A command that is forked says and does what one does that was started by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.flows.conftest import run, run_fresh
from tests.forked_commands import Forks

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--help",),
        ("ingest", "--help"),
        ("nonsense",),
        ("ingest", "S77"),
        ("release",),
        ("verify", "latest"),
        ("rules", "check"),
        ("reidentify", "--check-log", "--json"),
    ],
    ids=" ".join,
)
def test_code_and_words_are_those_of_a_command_by_itself(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    assert run(*arguments, LIVERCOHORT_HOME=str(tmp_path)) == run_fresh(
        *arguments, LIVERCOHORT_HOME=str(tmp_path)
    )


def test_no_command_sees_what_another_was_given(tmp_path: Path) -> None:
    assert run("key", "create", LIVERCOHORT_HOME=str(tmp_path / "a")).code == 0
    assert run("key", "show-id", LIVERCOHORT_HOME=str(tmp_path / "a")).code == 0
    assert run("key", "show-id", LIVERCOHORT_HOME=str(tmp_path / "b")).code == 3
    assert (tmp_path / "a" / "restricted" / "key").stat().st_mode & 0o077 == 0


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    forks = Forks()
    arguments = ["receive", "--port", "0", "--home", str(tmp_path)]
    code, _, _ = forks.run(arguments, dict(os.environ), timeout_s=2)
    forks.end()
    assert code == -9
