"""One real demo for all tests of the whole line: real flows, a real server, real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

LIVERCOHORT = Path(sys.executable).with_name("livercohort")
_SETTINGS = ("LIVERCOHORT_", "PREFECT_")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def clean_environment() -> dict[str, str]:
    """Return the environment without settings a developer may have."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_SETTINGS)}
    chromium = os.environ.get("LIVERCOHORT_CHROMIUM")
    return {**kept, "LIVERCOHORT_CHROMIUM": chromium} if chromium else kept


def run(*arguments: str | Path, timeout_s: float = 600, **environment: str) -> Ended:
    """Run one `livercohort` command as a user does."""
    ended = subprocess.run(
        [LIVERCOHORT, *map(str, arguments)],
        env={**clean_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def cli() -> Callable[..., Ended]:
    """Run a command and get its exit code and output."""
    return run


@dataclass(frozen=True)
class Demo:
    """A finished demo and what the answer key says of it."""

    home: Path
    ended: Ended

    def key(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(
            self.home / "inbox" / "answer_key" / f"{name}.parquet"
        ).to_pylist()
        return rows


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Three sites, two nights, two releases: made once, only read by the tests."""
    home = tmp_path_factory.mktemp("demo") / "home"
    ended = run("demo", "--home", home, "--json")
    assert ended.code == 0, ended.err
    return Demo(home, ended)
