"""What a command and all it started cost: CPU of the whole tree, wall time, largest process.

Linux only: the process that measures adopts what a command leaves behind, so that the workers
of a server count as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds of one run, and the largest of its processes in MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def adopt_orphans() -> None:
    """Become the parent of what a command leaves behind: its CPU time counts too."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise SystemExit("this system cannot count the CPU of whole process trees")


def wait_for_orphans() -> None:
    """Wait for all of them."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def cost_of(
    commands: Sequence[Sequence[str]],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Cost:
    """Run commands side by side in a process of their own, and return what they cost.

    Raises
    ------
    SystemExit
        If one of them fails; what it said is shown.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _measure(commands, cwd, environment, writer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    os.waitpid(pid, 0)
    if not said.startswith("{"):
        raise SystemExit(said or "a command was killed")
    return Cost(**json.loads(said))


def _measure(
    commands: Sequence[Sequence[str]],
    cwd: Path | None,
    environment: Mapping[str, str] | None,
    writer: int,
) -> None:
    adopt_orphans()
    began = time.perf_counter()
    running = [
        subprocess.Popen(
            command,
            cwd=cwd,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    told = [one.communicate()[1] for one in running]
    wall = time.perf_counter() - began
    wait_for_orphans()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    failed = [text[-2000:] for one, text in zip(running, told, strict=True) if one.returncode]
    cost = {
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
    }
    os.write(writer, (f"failed: {failed}" if failed else json.dumps(cost)).encode())


def machine_facts(folder: Path) -> dict[str, str]:
    """Return what a reader has to know of the machine, nothing that names it."""
    model = _first("/proc/cpuinfo", "model name") or platform.machine()
    memory = int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / (1 << 20)
    shared = os.getloadavg()[0]
    return {
        "processor": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "file system": _file_system(folder),
        "load before": f"{shared:.1f}",
    }


def _first(path: str, key: str) -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _file_system(folder: Path) -> str:
    found = ("", "unknown")
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if str(folder.resolve()).startswith(place) and len(place) >= len(found[0]):
            found = (place, kind)
    return found[1]
