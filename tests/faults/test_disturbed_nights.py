"""What may happen to a night besides a kill: it is told, nothing is half there, the next is whole.

Kills by SIGKILL and SIGINT stand in tests/flows/test_interrupted.py, full disks in
test_full_disk.py, many of both at random moments in benchmarks/operation/faults.py.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.between import between
from tests.flows.conftest import COMMITTED, LIVERCOHORT, Ended, clean_environment, run, status
from tests.flows.exports import cut_export, dicom_files, file_bytes, new_home

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("server")]


@pytest.fixture
def home(tmp_path: Path, whole_export: Path) -> Path:
    made = new_home(tmp_path)
    cut_export(whole_export, made / "inbox", series=2, planted=True)
    return made


@contextmanager
def a_night(home: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Begin a night; it is over when the block is."""
    process = subprocess.Popen(
        [LIVERCOHORT, "ingest", "S91", "--home", home],
        env={**clean_environment(), **environment},
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
    deadline = time.monotonic() + 120
    while not sign():
        assert process.poll() is None, "the night ended before the sign"
        assert time.monotonic() < deadline, "no sign of the night"
        time.sleep(0.002)


def begun(home: Path) -> Callable[[], bool]:
    """Return whether the first images are de-identified."""
    return lambda: any((home / "work").glob("S91-*/dicom/*/*.dcm"))


def ended(process: subprocess.Popen[str], timeout_s: float = 120) -> Ended:
    out, err = process.communicate(timeout=timeout_s)
    return Ended(process.returncode, out, err)


def require_whole(home: Path, night: Path) -> None:
    """Let the next night come, and compare it with one that nobody disturbed."""
    assert not file_bytes(home, "warehouse/batches/**/*")
    again = run("ingest", "S91", "--home", home)
    assert again.code == 0, again.out + again.err
    assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
    assert list((home / "work").iterdir()) == []


def test_a_night_that_the_system_ends_says_so_and_the_next_is_whole(
    home: Path, night: Path
) -> None:
    """As `systemctl stop` and a shutdown do: SIGTERM, to workers as well."""
    with a_night(home) as process:
        await_sign(process, begun(home))
        os.killpg(process.pid, signal.SIGTERM)
        stopped = ended(process)
    require_said(stopped, home)
    require_whole(home, night)


def test_a_night_that_is_shown_says_so_too(home: Path, prefect_api: str) -> None:
    with a_night(home, PREFECT_API_URL=prefect_api) as process:
        await_sign(process, begun(home))
        process.terminate()
        stopped = ended(process)
    require_said(stopped, home)


def require_said(stopped: Ended, home: Path) -> None:
    """Require that a night said that and where it was stopped, and left no lease."""
    assert stopped.code == 143, stopped.out + stopped.err
    assert "Traceback" not in stopped.err
    said = re.search(r"^stopped by SIGTERM at (S91 \S+: .+): what was", stopped.err, re.MULTILINE)
    assert said is not None, stopped.err
    assert not list((home / "operations" / "leases").iterdir())
    assert status(home)["n_files"] == 0
    told = run("status", "--home", home, LIVERCOHORT_MIN_FREE_GIB="0")
    assert told.code == 1
    assert f"interrupted at {said[1]}" in told.out


def test_a_scheduler_that_goes_down_in_the_middle_costs_a_wait_and_nothing_else(
    home: Path, night: Path, prefect_api: str
) -> None:
    """Files are the truth: the night goes on, and says that nobody is shown its end."""
    with between(prefect_api) as server, a_night(home, PREFECT_API_URL=server.url) as process:
        await_sign(process, begun(home))
        server.end()
        gone = time.monotonic()
        done = ended(process, timeout_s=200)
    took = time.monotonic() - gone
    assert done.code == 0, done.out + done.err
    assert "Traceback" not in done.err
    assert "the server that shows this run does not answer" in done.err
    assert "ingest-S91: done, its end could not be shown" in done.err
    assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
    assert list((home / "work").iterdir()) == []
    assert status(home)["adds_up"] is True
    again = run("ingest", "S91", "--home", home, PREFECT_API_URL=prefect_api)
    assert "nothing new: S91" in again.out
    assert took < 100, "waited for once, for half a minute, and the night and its end on busy cores"


def test_a_database_that_restarts_in_the_middle_costs_nothing(
    home: Path, night: Path, prefect_api: str
) -> None:
    """Its server answers with status 500 meanwhile; PostgreSQL was stopped so by hand."""
    with between(prefect_api) as server, a_night(home, PREFECT_API_URL=server.url) as process:
        await_sign(process, begun(home))
        server.down.set()
        await_sign(process, lambda: server.refused >= 2)
        time.sleep(2)
        server.down.clear()
        done = ended(process, timeout_s=300)
    assert done.code == 0, done.out + done.err
    assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
    assert list((home / "work").iterdir()) == []


def test_an_export_that_changes_while_it_is_read_is_not_taken_and_is_whole_the_next_night(
    home: Path, night: Path
) -> None:
    (export,) = (home / "inbox" / "S91").iterdir()
    last = dicom_files(export)[-1]
    before = last.read_bytes()
    with a_night(home) as process:
        await_sign(process, lambda: any((home / "work").glob("S91-*/dicom")))
        for path in dicom_files(export):
            path.write_bytes(path.read_bytes()[:-100])
        changed = ended(process)
    counts = status(home)["states"]
    if changed.code == 0:
        # Read before it changed: then these bytes are what the night holds.
        assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
        return
    assert counts["accepted"] == 0
    assert last.read_bytes() == before[:-100]
    again = run("ingest", "S91", "--home", home)
    told = status(home)
    assert told["adds_up"] is True, again.out
    assert told["n_files"] == sum(1 for p in export.rglob("*") if p.is_file())


def test_a_home_that_cannot_be_written_is_refused_by_its_name(home: Path) -> None:
    """A disk that went read-only: told in one line, nothing begun."""
    mounted = ["mount", "--bind", str(home), str(home)]
    if os.geteuid() != 0 or subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(home)], check=True)
        refused = run("ingest", "S91", "--home", home)
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)
    assert refused.code == 3, refused.out + refused.err
    assert "Read-only file system" in refused.err
    assert "Traceback" not in refused.err
    assert not (home / "warehouse").exists()


def test_another_user_may_neither_read_the_key_nor_begin_a_night(
    night: Path, whole_export: Path, tmp_path: Path
) -> None:
    """The home is given to another user; ours loses the rights by which root reads all."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root may give a home away")
    home = tmp_path / "home"
    shutil.copytree(night, home, symlinks=True)
    more = cut_export(whole_export, tmp_path / "more", series=1)
    more.rename(home / "inbox" / "S91" / "later")
    before = file_bytes(home, "**/*")
    other = pwd.getpwnam("nobody")
    for path in (home, *home.rglob("*")):
        os.chown(path, other.pw_uid, other.pw_gid)
    for command in (["ingest", "S91"], ["subject", "show", "X"]):
        tried = subprocess.run(
            [
                "setpriv", "--inh-caps=-dac_override,-dac_read_search",
                "--bounding-set=-dac_override,-dac_read_search",
                str(LIVERCOHORT), *command, "--home", str(home),
            ],
            env=clean_environment(), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert tried.returncode in (2, 3), tried.stdout + tried.stderr
        assert "Traceback" not in tried.stderr, tried.stderr
    assert file_bytes(home, "**/*") == before


def test_a_clock_that_was_years_ahead_keeps_no_later_night_from_running(
    home: Path, night: Path
) -> None:
    """What a wrong clock left behind: times to come on the inbox and on a lease."""
    far = 4_070_908_800  # 2099
    for path in (home / "inbox").rglob("*"):
        os.utime(path, (far, far))
    lease = home / "operations" / "leases" / "S91.json"
    lease.parent.mkdir(parents=True)
    host = os.uname().nodename
    lease.write_text(f'{{"owner": "x", "host": "{host}", "pid": 4194303, "heartbeat": {far}}}')
    os.utime(lease, (far, far))
    require_whole(home, night)
