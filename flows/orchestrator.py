"""The Prefect server of the demo: the one in PREFECT_API_URL, else a private one."""

from __future__ import annotations

import ctypes
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import EnvironmentProblemError, ExitCode
from schemas.run.progress import LOGGER_NAME
from schemas.run.settings import Settings

STARTUP_TIMEOUT_S = 120.0
_LOOK_S, _GRACE_S = 1.0, 20.0
_PR_SET_PDEATHSIG = 1


@contextmanager
def prefect_server(settings: Settings) -> Iterator[None]:
    """Have a Prefect API for the time of the block, before Prefect is imported.

    Prefect's own temporary server picks a random port, so two runs that start together can
    collide; it outlives a killed run, and answers every user of this machine. This one inherits
    a socket that the kernel has bound, so that nobody else can take its port; it asks for a
    password that only this run knows, and the kernel ends it with its parent.

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
    password = f"livercohort:{secrets.token_urlsafe(32)}"
    with log.open("ab") as sink:
        process, url = _start(sink.fileno(), password)
        os.environ |= {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": password}
        try:
            _await_health(process, url, log)
            in_use = threading.Event()
            in_use.set()
            threading.Thread(target=_end_with_server, args=(process, in_use), daemon=True).start()
            try:
                yield
            finally:
                in_use.clear()
        finally:
            if process.poll() is None:
                _send_remaining_logs()
            for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
                del os.environ[name]
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(log: int, password: str) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        port = listening.getsockname()[1]
        process = subprocess.Popen(
            [
                sys.executable, "-m", "uvicorn", "--factory",
                "prefect.server.api.server:create_app",
                "--fd", str(listening.fileno()),
                "--log-level", "error", "--lifespan", "on",
            ],
            env={
                **os.environ,
                "PREFECT_UI_ENABLED": "0",
                "PREFECT__SERVER_EPHEMERAL": "1",
                "PREFECT_SERVER_API_AUTH_STRING": password,
                "PREFECT_API_AUTH_STRING": password,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listening.fileno()],
            preexec_fn=_end_with_parent,
        )  # fmt: skip
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


def _end_with_server(process: subprocess.Popen[bytes], in_use: threading.Event) -> None:
    """End this run as `kill` does when its server ends before it: it would wait for answers.

    Prefect asks on for minutes even while it ends; a run that was killed leaves nothing half done.
    """
    while process.poll() is None:
        time.sleep(_LOOK_S)
    if in_use.is_set():
        logging.getLogger(LOGGER_NAME).error("the embedded Prefect server ended; so does this run")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_S)
        os._exit(ExitCode.ENVIRONMENT)


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
