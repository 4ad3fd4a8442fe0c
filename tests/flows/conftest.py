"""One real demo for all tests of the whole line: real flows, a real server, real files."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from schemas.run.settings import QUIET_ENVIRONMENT
from tests.flows.exports import cut_export, new_home
from tests.forked_commands import FORKS
from tests.made_once import made_once, simulated_once

LIVERCOHORT = Path(sys.executable).with_name("livercohort")
PREFECT = LIVERCOHORT.with_name("prefect")
#: Everything a committed night has written, but times and seals.
COMMITTED = ("warehouse/**/*", "restricted/quarantine/**/*")
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


def run_fresh(*arguments: str | Path, **environment: str) -> Ended:
    """Run one `livercohort` command as a user does."""
    ended = subprocess.run(
        [LIVERCOHORT, *map(str, arguments)],
        env={**clean_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


#: What decides how a command starts: who runs its nights, and where its code is.
_DECIDES_START = ("DASK_", "PREFECT_", "PYTHON")


def run(*arguments: str | Path, **environment: str) -> Ended:
    """Run one `livercohort` command in a process of its own, its libraries loaded before."""
    # The demo starts a server and has Prefect run its nights.
    if "demo" in arguments[:1] or any(name.startswith(_DECIDES_START) for name in environment):
        return run_fresh(*arguments, **environment)
    given = {**clean_environment(), **environment}
    return Ended(*FORKS.run([str(one) for one in arguments], given, timeout_s=600))


_STEP = re.compile(r"[\w ]+: [\w ,]+ \(\d+ of \d+\)")


def require_one_error(ended: Ended, code: int, *, about: str = "") -> None:
    """Check that a command ended with one line that says what is wrong, after the steps it told."""
    lines = [line for line in ended.err.splitlines() if not _STEP.fullmatch(line)]
    assert ended.code == code, ended.out + ended.err
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("error: ")
    assert about in lines[0]
    assert ended.out == ""


def status(home: Path) -> dict[str, Any]:
    facts: dict[str, Any] = run("status", "--home", home, "--json").json()
    return facts


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a key and an empty inbox."""
    return new_home(tmp_path)


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
    ended = run_fresh("demo", "--home", home, "--json")
    assert ended.code == 0, ended.err
    return Demo(home, ended)


@pytest.fixture(scope="session")
def whole_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One simulated export of S91, with the faults that are planted by default."""
    out = simulated_once(tmp_path_factory, sites=1, subjects=1, nights=1)
    (export,) = (path for path in (out / "S91").iterdir() if path.is_dir())
    return export


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prefect server of our own; commands that find its URL start none."""
    home = tmp_path_factory.mktemp("prefect-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **clean_environment(),
        **QUIET_ENVIRONMENT,
        "PREFECT_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
    }
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _await_answer(process, f"http://127.0.0.1:{port}/api/health")
            yield f"http://127.0.0.1:{port}/api"
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_answer(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the Prefect server did not start")


@pytest.fixture(scope="session")
def night(whole_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one small export, taken in undisturbed; only read and copied by the tests."""

    def make(folder: Path) -> None:
        home = new_home(folder)
        cut_export(whole_export, home / "inbox", series=2, planted=True)
        ended = run_fresh("ingest", "S91", "--home", home)
        assert ended.code == 0, ended.out + ended.err

    return _own_copy(tmp_path_factory, "night", made_once(tmp_path_factory, "night", make))


@pytest.fixture(scope="session")
def released(night: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that home with a release."""

    def make(folder: Path) -> None:
        shutil.copytree(night, folder / "home", symlinks=True)
        ended = run_fresh("release", "--home", folder / "home")
        assert ended.code == 0, ended.out + ended.err

    return _own_copy(tmp_path_factory, "released", made_once(tmp_path_factory, "released", make))


def _own_copy(factory: pytest.TempPathFactory, name: str, made: Path) -> Path:
    """Return a copy for this worker: commands that only read a home may still write its log."""
    return Path(shutil.copytree(made / "home", factory.mktemp(name) / "home", symlinks=True))
