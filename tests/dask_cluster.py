"""A real Dask scheduler and worker processes for tests, with certificates as nights need them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.certificates import make_certificates

_PATIENCE_S = 90.0


@dataclass
class Cluster:
    """A running scheduler and its workers."""

    url: str
    folder: Path
    environment: dict[str, str]
    scheduler: subprocess.Popen[bytes] = field(repr=False)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)

    def add_worker(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread; `--no-nanny` unless options say otherwise."""
        address = self.url.replace("dask://", "tls://")
        command = ["worker", address, "--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
        local = ["--local-directory", str(self.folder / "dask")]
        made = _dask(
            [*command, *local, *(options or ("--no-nanny",))],
            {**self.environment, **environment},
            self.folder / f"worker{len(self.workers)}.log",
        )
        self.workers.append(made)
        return made


@contextmanager
def running_cluster(folder: Path, *, workers: int) -> Iterator[Cluster]:
    """Start a scheduler and workers; end them afterwards."""
    made = make_certificates(folder / "certificates")
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    environment = {
        **os.environ,
        f"{tls}CA_FILE": str(made.authority),
        **{
            f"{tls}{role}__{part}": str(path)
            for role in ("CLIENT", "SCHEDULER", "WORKER")
            for part, path in (("CERT", made.certificate), ("KEY", made.key))
        },
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--protocol", "tls"]
    command += ["--no-dashboard", "--preload", "schemas.run.dask_scheduler"]
    scheduler = _dask(command, environment, folder / "scheduler.log")
    cluster = Cluster(f"dask://127.0.0.1:{port}", folder, environment, scheduler)
    try:
        _await_line(scheduler, folder / "scheduler.log", "Scheduler at")
        for number in range(workers):
            worker = cluster.add_worker()
            _await_line(worker, folder / f"worker{number}.log", "Registered to")
        yield cluster
    finally:
        for process in [*cluster.workers, scheduler]:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _dask(arguments: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )


def _await_line(process: subprocess.Popen[bytes], log: Path, words: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while words not in log.read_text(encoding="utf-8"):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, f"no {words!r} in {log}"
        time.sleep(0.05)
