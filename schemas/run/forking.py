"""How worker processes start: forked from this process where that is safe, it costs half.

A thread of ours may hold a lock in the moment of the fork, which no one would open in the
worker. With threads, as under Prefect, a server process of one thread forks instead. It starts
once for all stages of a night, so what any stage's workers need is imported there. A thread that
only beats now and then (`beating`) is no such danger: no fork happens while it does.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import re
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import current_process, get_context, parent_process
from multiprocessing.context import ForkContext, ForkServerContext
from multiprocessing.util import Finalize
from pathlib import Path

from schemas.errors import EnvironmentProblemError

#: unix(7): a socket's path has 108 bytes with its end; two names (`/lc400000-****` and
#: `/listener-********`) are added to the folder of temporary files.
_SOCKET_PATH_BYTES, _ADDED_BYTES = 108, 32
_KEPT_S = 86_400.0
_OURS = re.compile(r"lc([0-9a-f]{1,6})-[0-9a-f]{4}")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_for_server: list[str] = []
_beats: set[threading.Thread] = set()
#: Held for the time of a beat and of a fork, so that neither happens within the other.
_one_at_a_time = threading.Lock()
os.register_at_fork(
    before=_one_at_a_time.acquire,
    after_in_parent=_one_at_a_time.release,
    after_in_child=_one_at_a_time.release,
)


@contextlib.contextmanager
def beating(beat: Callable[[], None], every_s: float) -> Iterator[None]:
    """Call `beat` now and then in a thread for the time of the block; workers may be forked.

    Between two beats the thread waits and holds nothing but its own alarm, which no worker has
    a use for.

    Parameters
    ----------
    beat : callable
        Raises nothing.
    every_s : float
        Time between two calls; the first comes after as long.
    """
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(every_s):
            with _one_at_a_time:
                beat()

    thread = threading.Thread(target=run, daemon=True)
    _beats.add(thread)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _beats.discard(thread)


def can_fork() -> bool:
    """Return whether workers may be forked from this process as it is now."""
    alive = [thread for thread in threading.enumerate() if thread not in _beats]
    return alive == [threading.current_thread()]


def preload_in_server(*modules: str) -> None:
    """Say what the server, once it is started, imports before it forks any worker."""
    _for_server.extend(name for name in modules if name not in _for_server)


def wanted_in_server() -> tuple[str, ...]:
    """Return what was said so far, to say it on another machine."""
    return tuple(_for_server)


def require_short_temporary_folder() -> None:
    """Refuse to begin where no server of workers could listen.

    Raises
    ------
    EnvironmentProblemError
        If the path of the folder for temporary files is too long for a socket in it.
    """
    longest = _SOCKET_PATH_BYTES - 1 - _ADDED_BYTES
    found = len(os.fsencode(Path(tempfile.gettempdir()).absolute()))
    if found > longest:
        raise EnvironmentProblemError(
            f"the path of the folder for temporary files is {found} bytes long",
            expected=f"at most {longest}: the sockets of worker processes lie in it",
            where="TMPDIR",
            hint="Set TMPDIR to a shorter folder, such as /tmp.",
        )


def worker_context(*modules: str) -> ForkContext | ForkServerContext:
    """Return how to start workers that need these modules, by name; they find them loaded."""
    if not can_fork():
        require_short_temporary_folder()
        _name_the_folder_of_sockets()
        preload_in_server(*modules)
        server = get_context("forkserver")
        server.set_forkserver_preload([*_for_server])
        return server
    for name in modules:
        importlib.import_module(name)
    return get_context("fork")


def _name_the_folder_of_sockets() -> None:
    """Give the standard library's folder of sockets a name that tells its process.

    A run that is killed cannot take its folder away, and of one without a name nobody can tell
    whether its process lives. What the dead left is taken away here.
    """
    config: dict[str, object] = getattr(current_process(), "_config", {})
    if config.get("tempdir") is not None:
        return
    sweep_folders_of_sockets()
    # No longer than the name that the standard library gives: the path of a socket is short.
    folder = Path(tempfile.gettempdir()) / f"lc{os.getpid():x}-{secrets.token_hex(2)}"
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        return  # then it is named as it was
    # As `multiprocessing.util.get_temp_dir` does, which finds it there; its priority is the last.
    Finalize(None, shutil.rmtree, args=(folder, True), exitpriority=-100)
    config["tempdir"] = str(folder)


def sweep_folders_of_sockets() -> None:
    """Remove what runs left that are dead for a day; a container may not see others' processes."""
    before = time.time() - _KEPT_S
    for path in Path(tempfile.gettempdir()).glob("lc*-*"):
        named = _OURS.fullmatch(path.name)
        if named is None or Path(f"/proc/{int(named[1], 16)}").exists():
            continue
        with contextlib.suppress(OSError):
            if path.lstat().st_mtime < before:
                shutil.rmtree(path)


def die_with_run(forker: int | None) -> None:
    """End this worker when its run ends: none outlives a run that was killed.

    Parameters
    ----------
    forker : int or None
        Process number of the run where it forked the worker itself, None where a server did.
    """
    if forker is None:
        # The server lives as long as any worker does; the run is watched, by a pipe.
        threading.Thread(target=_wait_for_end_of_run, daemon=True).start()
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if forker != os.getppid():
        # It ended before it was asked to tell.
        os._exit(1)


def _wait_for_end_of_run() -> None:
    run = parent_process()
    if run is not None:
        run.join()
        os._exit(1)
