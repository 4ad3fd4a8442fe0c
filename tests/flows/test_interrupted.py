"""A night that is stopped in the middle: nothing half-written, and the next run ends the same."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flows.conftest import (
    COMMITTED,
    LIVERCOHORT,
    clean_environment,
    require_one_error,
    run,
    status,
)
from tests.flows.exports import cut_export, dicom_files, file_bytes

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("server")]


@contextmanager
def begun(home: Path, whole_export: Path, **shown: str) -> Iterator[subprocess.Popen[str]]:
    """Begin a night at S91; it is over when the block is."""
    cut_export(whole_export, home / "inbox", series=2, planted=True)
    process = subprocess.Popen(
        [LIVERCOHORT, "ingest", "S91", "--home", home],
        env={**clean_environment(), **shown},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def await_sign(process: subprocess.Popen[str], sign: Callable[[], bool]) -> None:
    """Wait until the run has left a sign on disk."""
    deadline = time.monotonic() + 120
    while not sign():
        if process.poll() is not None:
            pytest.fail(f"the run ended before the sign: {process.communicate()}")
        assert time.monotonic() < deadline, "no sign of the run"
        time.sleep(0.002)


@pytest.fixture
def running(home: Path, whole_export: Path) -> Iterator[subprocess.Popen[str]]:
    """A night that has just begun at S91."""
    with begun(home, whole_export) as process:
        yield process


@pytest.fixture
def running_shown(
    home: Path, whole_export: Path, prefect_api: str
) -> Iterator[subprocess.Popen[str]]:
    """The same night as a worker runs it: on a server, which takes signals itself."""
    with begun(home, whole_export, PREFECT_API_URL=prefect_api) as process:
        yield process


def lease_of(home: Path) -> Path:
    return home / "operations" / "leases" / "S91.json"


def in_work(home: Path, pattern: str) -> Callable[[], bool]:
    return lambda: any((home / "work").glob(pattern))


def test_a_second_ingest_says_that_the_site_is_busy_and_the_first_ends_well(
    running: subprocess.Popen[str], home: Path, night: Path
) -> None:
    await_sign(running, lambda: lease_of(home).is_file() and lease_of(home).stat().st_size > 0)
    os.kill(running.pid, signal.SIGSTOP)
    try:
        ended = run("ingest", "S91", "--home", home)
    finally:
        os.kill(running.pid, signal.SIGCONT)
    require_one_error(ended, 3, about="another run holds S91")
    assert running.wait(timeout=180) == 0
    assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
    assert not lease_of(home).exists()


SIGNS = {
    "deidentified": "S91-*/dicom/*/*.dcm",
    "scanned": "S91-*/tables/file.parquet",
}


@pytest.mark.parametrize("moment", SIGNS)
def test_a_killed_night_runs_again_to_the_same_bytes(
    moment: str, running: subprocess.Popen[str], home: Path, night: Path
) -> None:
    await_sign(running, in_work(home, SIGNS[moment]))
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not file_bytes(home, "warehouse/batches/**/*")
    assert status(home)["n_files"] == 0
    ended = run("ingest", "S91", "--home", home)
    assert ended.code == 0, ended.out + ended.err
    assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
    assert list((home / "work").iterdir()) == []


def test_a_night_killed_while_it_commits_runs_again_to_the_same_bytes(
    running: subprocess.Popen[str], home: Path, night: Path
) -> None:
    await_sign(running, (home / "warehouse" / "dicom" / "S91").exists)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    ended = run("ingest", "S91", "--home", home)
    assert ended.code == 0, ended.out + ended.err
    assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
    assert list((home / "work").iterdir()) == []


def test_a_killed_night_leaves_no_scratch_when_the_site_delivers_anew(
    running: subprocess.Popen[str], home: Path
) -> None:
    await_sign(running, in_work(home, SIGNS["deidentified"]))
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    (export,) = (path for path in (home / "inbox" / "S91").iterdir())
    dicom_files(export)[-1].unlink()
    ended = run("ingest", "S91", "--home", home)
    assert ended.code == 0, ended.out + ended.err
    assert list((home / "work").iterdir()) == []


def test_an_interrupted_night_says_so_and_runs_again_to_the_same_bytes(
    running_shown: subprocess.Popen[str], home: Path, night: Path
) -> None:
    await_sign(running_shown, in_work(home, SIGNS["deidentified"]))
    # As a terminal does: the whole foreground group gets it.
    os.killpg(running_shown.pid, signal.SIGINT)
    out, err = running_shown.communicate(timeout=60)
    assert running_shown.returncode == 4, out + err
    assert "Traceback" not in err
    assert not lease_of(home).exists()
    assert not file_bytes(home, "warehouse/batches/**/*")
    ended = run("ingest", "S91", "--home", home)
    assert ended.code == 0, ended.out + ended.err
    assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
