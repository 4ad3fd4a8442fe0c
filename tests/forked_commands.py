"""Commands as processes of their own, without the seconds that each needs to load its libraries.

One process loads what a night and a release load, and forks for every command: what the command
gets is a process with its own arguments, environment, folder and output, as a shell starts one;
only its imports are done. What imports by itself matter to starts `livercohort`: see `run_fresh`
in tests/flows/conftest.py.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).parents[1]
#: What is loaded before the fork; flows are not: they ask, when imported, who runs them.
_PACKAGES = ("schemas", "tasks")
#: Not loaded before: Prefect reads its settings when it is imported; ONNX Runtime starts a thread,
#: which a forked process would wait for in vain.
_LEFT_OUT = ("prefect", "onnxruntime")
#: The thread that Arrow's allocator has; it is started anew after a fork.
_MAY_RUN = "jemalloc_bg_thd"


@dataclass(frozen=True)
class Order:
    """One command: what follows `livercohort`, its environment, and where its output goes."""

    arguments: list[str]
    environment: dict[str, str]
    out: str
    err: str


class Forks:
    """The process that forks, started when the first command comes."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        #: CPU seconds of the commands that ended; their parent is that process, not this one.
        self.spent_s = 0.0

    def run(
        self, arguments: list[str], environment: dict[str, str], timeout_s: float
    ) -> tuple[int, str, str]:
        """Run one command; return its exit code and what it said."""
        with tempfile.TemporaryDirectory(prefix="said") as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            code = self._ask(Order(arguments, environment, str(out), str(err)), timeout_s)
            return code, out.read_text("utf-8"), err.read_text("utf-8")

    def _ask(self, order: Order, timeout_s: float) -> int:
        process = self._started()
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        process.stdin.flush()
        pid = int(self._answer(process)["pid"])
        late = threading.Timer(timeout_s, os.kill, (pid, signal.SIGKILL))
        late.start()
        try:
            ended = self._answer(process)
        finally:
            late.cancel()
        self.spent_s += ended["cpu_s"]
        return int(ended["code"])

    def _answer(self, process: subprocess.Popen[bytes]) -> dict[str, float]:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the process that forks commands has ended"
        answer: dict[str, float] = json.loads(line)
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            # Threads of linear algebra do not survive a fork; commands ask for one, too.
            environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked_commands"],
                cwd=ROOT,
                env={k: v for k, v in environment.items() if not k.startswith("PREFECT_")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            atexit.register(self.end)
        return self._process

    def end(self) -> None:
        """End the process that forks."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


FORKS = Forks()


def load() -> None:
    """Import every module of the product that needs nothing of what is left out."""
    for name in _LEFT_OUT:
        sys.modules[name] = None  # type: ignore[assignment] # so Python refuses to import it
    for package in _PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            with suppress(ImportError):
                importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for name in _LEFT_OUT:
        assert sys.modules.pop(name) is None
    importlib.import_module("flows.cli")
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    assert len([name for name in threads if name != _MAY_RUN]) == 1, threads
    # What is loaded is never garbage: not looked through, so not copied, in the forked processes.
    gc.freeze()


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Fork for every order that comes; return in the child, with its order obeyed but run."""
    for line in iter(orders.readline, b""):
        order = Order(**json.loads(line))
        before = os.times()
        pid = os.fork()
        if pid == 0:
            answers.close()
            become(order)
            return
        _tell(answers, pid=pid)
        _, status = os.waitpid(pid, 0)
        after = os.times()
        cpu_s = after.children_user + after.children_system
        cpu_s -= before.children_user + before.children_system
        _tell(answers, code=os.waitstatus_to_exitcode(status), cpu_s=cpu_s)
    os._exit(0)


def _tell(answers: IO[bytes], **facts: float) -> None:
    answers.write(json.dumps(facts).encode() + b"\n")
    answers.flush()


def become(order: Order) -> None:
    """Give this process the arguments, the environment and the output of a command."""
    os.environ.clear()
    os.environ.update(order.environment)
    time.tzset()
    tempfile.tempdir = None
    sys.argv = ["livercohort", *order.arguments]
    for number, path in enumerate(("/dev/null", order.out, order.err)):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)


def run_command() -> NoReturn:
    """Run the command and end as Python does, but for taking thousands of modules apart."""
    try:
        importlib.import_module("flows.cli").main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    for thread in threading.enumerate():
        if not (thread.daemon or thread is threading.main_thread()):
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Load what commands load, then serve; the command itself runs after the fork."""
    orders, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    load()
    serve(orders, answers)
    run_command()


if __name__ == "__main__":
    main()
