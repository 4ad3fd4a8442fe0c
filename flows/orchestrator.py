"""The Prefect server behind a command: the one in PREFECT_API_URL, else a private one."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import EnvironmentProblemError
from schemas.run.settings import Settings

STARTUP_TIMEOUT_S = 120.0
_PR_SET_PDEATHSIG = 1


@contextmanager
def prefect_server(settings: Settings) -> Iterator[None]:
    """Have a Prefect API for the time of the block, before Prefect is imported.

    Prefect's own temporary server picks a random port, so two runs that start together can
    collide, and it outlives a killed run. This one takes its port from the kernel under a
    host-wide lock, and the kernel ends it with its parent.

    Raises
    ------
    EnvironmentProblemError
        If the server does not answer in time; its log is named.
    """
    if os.environ.get("PREFECT_API_URL"):
        yield
        return
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))
    log = settings.zones.logs / "prefect-server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process, url = _start(sink.fileno())
        os.environ["PREFECT_API_URL"] = url
        try:
            _await_health(process, url, log)
            yield
        finally:
            _send_remaining_logs()
            del os.environ["PREFECT_API_URL"]
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(log: int) -> tuple[subprocess.Popen[bytes], str]:
    lock = Path(tempfile.gettempdir()) / f"livercohort-prefect-{os.getuid()}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        port = _free_port()
        process = subprocess.Popen(
            [
                sys.executable, "-m", "uvicorn", "--factory",
                "prefect.server.api.server:create_app",
                "--host", "127.0.0.1", "--port", str(port),
                "--log-level", "error", "--lifespan", "on",
            ],
            env={**os.environ, "PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent,
        )  # fmt: skip
        _await_port(process, port)
    return process, f"http://127.0.0.1:{port}/api"


def _send_remaining_logs() -> None:
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=5)
    EventsWorker.drain_all(timeout=5)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + STARTUP_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


def _await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + STARTUP_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 - our own http
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    raise EnvironmentProblemError(
        "the embedded Prefect server did not start",
        where=str(log),
        hint="Read that log, or start a server yourself and set PREFECT_API_URL.",
    )
