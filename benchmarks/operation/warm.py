"""Commands in processes that find everything imported, and tell which stage they have begun.

A night of two small sites spends more on imports than on images. Here one process imports once and
each command is a fork of it, so that hundreds of nights can be killed. The fork leads a session of
its own, as a service does, and runs the command that users run; nothing of a stage is replaced.
What tells the stage writes one line before the stage is called.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: What a night calls besides its stages for each batch, as `flows.ingest_site` names them.
_CALLS = (
    "receive_exports",
    "scan_batch",
    "sync_batch_queries",
    "commit_batch",
    "take_decided_again",
    "inspect_again",
)


def load() -> None:
    """Import what nights import; nothing here may have started a thread of ours before.

    Prefect only where its server is named: without one, each fork would start a server of its own
    because it finds Prefect loaded, and that server outlives a kill.
    """
    import great_expectations  # noqa: F401 - the first night would pay for it

    if os.environ.get("PREFECT_API_URL"):
        import prefect.main  # noqa: F401

    import flows.cli
    import flows.ingest_site  # noqa: F401


def load_as(log: Path) -> None:
    """Import what a command had imported when it ended, as far as that is a module's name."""
    for name in log.with_suffix(".modules").read_text(encoding="utf-8").split():
        if name not in sys.modules and not name.startswith("__"):
            with contextlib.suppress(Exception):
                importlib.import_module(name)


#: A line of a night, as `tell_step` has it: site, batch, what begins now, which of how many.
_STEP = re.compile(rb"^(S\d\d) \S+: (.+) \(\d+ of \d+\)$", re.MULTILINE)


@dataclass
class Command:
    """A running command, and the stages that it has begun so far."""

    process: int
    log: Path
    _reader: int = field(repr=False)
    begun: list[tuple[float, str]] = field(default_factory=list)
    code: int | None = None
    started: bool = False

    def _steps(self, told: bytes) -> list[str]:
        with self.log.open("ab") as stream:
            stream.write(told)
        return [b" ".join(found).decode() for found in _STEP.findall(told)]

    def look(self) -> None:
        """Take in what the command has told, and whether it has ended."""
        while told := _read(self._reader):
            now = time.monotonic()
            lines = told.decode("ascii").splitlines() if not self.started else self._steps(told)
            self.begun += [(now, line) for line in lines]
        if self.code is None:
            ended, status = os.waitpid(self.process, os.WNOHANG)
            if ended:
                self.code = os.waitstatus_to_exitcode(status)

    def await_stage(self, name: str) -> bool:
        """Return True once a stage has begun, False when the command ended before."""
        while True:
            self.look()
            if any(line == name for _, line in self.begun):
                return True
            if self.code is not None:
                return False
            time.sleep(0.001)

    def end(self) -> int:
        """Wait for the end and return the exit code."""
        while self.code is None:
            self.look()
            time.sleep(0.01)
        self.look()
        os.close(self._reader)
        return self.code

    def kill(self, *, group: bool) -> None:
        """Send SIGKILL to the run alone or to all that share its group, and wait for its end."""
        (os.killpg if group else os.kill)(self.process, signal.SIGKILL)
        self.end()


def begin(log: Path, *arguments: str) -> Command:
    """Fork a process that runs `livercohort ARGUMENTS`; its output goes to a file."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    process = os.fork()
    if process:
        os.close(writer)
        return Command(process, log, reader)
    code = 1
    try:
        os.close(reader)
        os.setsid()
        sink = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        _tell_stages(writer)
        from flows.cli import run

        code = run(list(arguments))
        log.with_suffix(".modules").write_text("\n".join(sys.modules), encoding="utf-8")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def start(log: Path, *arguments: str) -> Command:
    """Start `livercohort ARGUMENTS` as users do; its own lines tell the stages."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    log.unlink(missing_ok=True)
    log.touch()
    command = [sys.executable, "-m", "flows.cli", *arguments]
    process = subprocess.Popen(command, stdout=writer, stderr=writer, start_new_session=True)
    os.close(writer)
    process.returncode = 0  # it is waited for by its number, as forks are
    return Command(process.pid, log, reader, started=True)


def _tell_stages(writer: int) -> None:
    import flows.ingest_site as night

    def telling(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def told(site: str, *rest: Any) -> Any:
            os.write(writer, f"{site} {name}\n".encode("ascii"))
            return call(site, *rest)

        return told

    names = vars(night)
    names["_STAGES"] = tuple(telling(_name(stage), stage) for stage in names["_STAGES"])
    for name in _CALLS:
        names[name] = telling(name, names[name])


def _name(stage: Callable[..., Any]) -> str:
    return str(getattr(stage, "__name__", "stage")).removeprefix("_")


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 65536)
    except BlockingIOError:
        return b""
