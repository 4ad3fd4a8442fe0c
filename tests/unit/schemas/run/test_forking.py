"""Workers find what they need loaded, whichever process they are forked from."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from schemas.errors import EnvironmentProblemError
from schemas.run.forking import require_short_temporary_folder, sweep_folders_of_sockets

#: A module that nothing loads by itself.
_MODULE, _OTHER = "schemas.partial_dates", "schemas.tables.workbook_bytes"


def run(code: str) -> list[str]:
    # In a process of its own: a fork server starts once in a process, and stays.
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_process_of_one_thread_forks_workers_that_have_the_modules() -> None:
    said = run(
        f"""
        from schemas.run.forking import worker_context
        context = worker_context("{_MODULE}")
        with context.Pool(1) as pool:
            loaded = pool.apply(eval, ("'{_MODULE}' in __import__('sys').modules",))
        print(context.get_start_method(), loaded)
        """
    )
    assert said == ["fork", "True"]


def test_with_threads_a_server_forks_workers_that_have_the_modules_of_every_stage() -> None:
    said = run(
        f"""
        import threading
        from schemas.run.forking import preload_in_server, worker_context
        end = threading.Event()
        threading.Thread(target=end.wait).start()
        preload_in_server("{_OTHER}")
        context = worker_context("{_MODULE}")
        with context.Pool(1) as pool:
            for name in ("{_MODULE}", "{_OTHER}"):
                print(pool.apply(eval, (f"'{{name}}' in __import__('sys').modules",)))
        end.set()
        print(context.get_start_method())
        """
    )
    assert said == ["True", "True", "forkserver"]


@pytest.mark.parametrize(("length", "fits"), [(75, True), (76, False)])
def test_a_temporary_folder_in_which_no_server_could_listen_is_refused_by_its_length(
    length: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket is bound under the longest name there is, to see that the limit is the system's."""
    folder = Path("/tmp") / f"l{os.getpid()}".ljust(length - len("/tmp/"), "x")
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    inside = Path(tempfile.mkdtemp(prefix="lc40-"))
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            if fits:
                listening.bind(tempfile.mktemp(prefix="listener-", dir=inside))
                require_short_temporary_folder()
                return
            with pytest.raises(OSError, match="AF_UNIX path too long"):
                listening.bind(tempfile.mktemp(prefix="listener-", dir=inside))
        with pytest.raises(EnvironmentProblemError, match="76 bytes long"):
            require_short_temporary_folder()
    finally:
        shutil.rmtree(folder)


def test_what_a_killed_run_left_for_its_sockets_is_taken_away_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    day_before = time.time() - 90_000
    dead = 2**22 + 1  # pid_max is 2**22
    kept = {f"lc{os.getpid():x}-abcd", f"lc{dead:x}", "lcdata-other", "lc1-abcde"}
    for name in (f"lc{dead:x}-abcd", *kept):
        (tmp_path / name).mkdir()
        (tmp_path / name / "listener-x").touch()
        os.utime(tmp_path / name, (day_before, day_before))
    (tmp_path / f"lc{dead:x}-0123").mkdir()  # of today: perhaps of a process not seen from here
    sweep_folders_of_sockets()
    assert {path.name for path in tmp_path.iterdir()} == kept | {f"lc{dead:x}-0123"}


def test_a_thread_that_only_beats_is_no_reason_for_a_server_and_no_fork_cuts_a_beat() -> None:
    """The beat takes a lock and holds it for a while: in a worker nobody would open it."""
    said = run(
        f"""
        import threading, time
        from schemas.run.forking import beating, worker_context
        lock, beats = threading.Lock(), []
        def beat():
            with lock:
                beats.append(time.sleep(0.02))
        with beating(beat, 0.001):
            context = worker_context("{_MODULE}")
            found = []
            for _ in range(20):
                with context.Pool(1) as pool:
                    found.append(pool.apply(eval, ("__import__('__main__').lock.locked()",)))
        n = len(beats)
        time.sleep(0.1)
        print(context.get_start_method(), any(found), n > 5, len(beats) == n)
        """
    )
    assert said == ["fork", "False", "True", "True"]
