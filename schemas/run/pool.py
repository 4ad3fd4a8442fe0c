"""Workers that may die: bounded in time and memory, and what one loses is tried in a fresh one."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import connection
from multiprocessing.context import ForkContext, ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, TypeVar

from schemas.run.forking import die_with_run, preload_in_server, worker_context

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Imported once before any worker is forked, so that one starts in milliseconds.
_PRELOAD = ["tasks.convert.store_warm"]
#: Loaded by the fork server always, which starts once; else only when a file needs it.
_PRELOAD_ONCE = ["pydicom", "pydicom.pixels.utils"]


class Loss(StrEnum):
    """Why an item has no result."""

    DIED = "died"
    TIMEOUT = "timeout"
    FAILED = "failed"


@dataclass
class _Worker:
    """A process and what it is doing; `n_items` counts what it was given so far."""

    process: BaseProcess
    index: int = -1
    deadline: float = 0.0
    n_items: int = 0


def run_isolated(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    timeout_s: Callable[[Item], float],
    memory_bytes: Callable[[Item], int],
) -> Iterator[tuple[int, Result | Loss]]:
    """Yield `(index, result)` as items end, in the order they end.

    Parameters
    ----------
    function : callable
        A module-level function; runs in a process that takes one item after another. With a
        loss the process ends; an item that was not its first is tried again in a fresh one,
        so that no item pays for another.
    items : sequence
        What it is called with, one each.
    workers : int
        Processes at a time.
    timeout_s : callable
        Wall time for an item; then its process and all its children are killed.
    memory_bytes : callable
        Address space for an item, of the process beyond what it has when the item comes, and
        of each of its children.
    """
    pool = _Pool(function, items, _context(), timeout_s, memory_bytes)
    waiting = list(range(len(items)))[::-1]
    try:
        while waiting or pool.busy:
            while waiting and len(pool.busy) < workers:
                pool.give(waiting.pop())
            for index, outcome in pool.collect():
                if outcome is None:
                    waiting.append(index)
                else:
                    yield index, outcome
    finally:
        pool.end()


class _Pool(Generic[Item, Result]):
    def __init__(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        context: ForkContext | ForkServerContext,
        timeout_s: Callable[[Item], float],
        memory_bytes: Callable[[Item], int],
    ) -> None:
        self.busy: dict[connection.Connection, _Worker] = {}
        self._idle: list[tuple[connection.Connection, _Worker]] = []
        self._for_fresh: set[int] = set()
        self._function, self._items, self._context = function, items, context
        self._timeout_s, self._memory_bytes = timeout_s, memory_bytes
        self._forks = isinstance(context, ForkContext)

    def give(self, index: int) -> None:
        """Let a worker begin with an item."""
        if index in self._for_fresh and self._idle:
            _end(*self._idle.pop())
        pipe, worker = self._idle.pop() if self._idle else self._start()
        item = self._items[index]
        worker.index, worker.n_items = index, worker.n_items + 1
        worker.deadline = time.monotonic() + self._timeout_s(item)
        self.busy[pipe] = worker
        # A worker that just died is seen when its answer is waited for.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            pipe.send((index if self._forks else item, self._memory_bytes(item)))

    def _start(self) -> tuple[connection.Connection, _Worker]:
        ours, theirs = self._context.Pipe()
        # A forked worker has all items already: only their numbers need to be told.
        items = self._items if self._forks else None
        arguments = (theirs, self._function, items, os.getpid() if self._forks else None)
        process = self._context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return ours, _Worker(process)

    def collect(self) -> Iterator[tuple[int, Result | Loss | None]]:
        """Wait for an end; yield outcomes, None for an item that shall be tried again."""
        patience = min(worker.deadline for worker in self.busy.values()) - time.monotonic()
        ready = connection.wait(list(self.busy), timeout=max(patience, 0.0))
        now = time.monotonic()
        for pipe in [p for p, worker in self.busy.items() if p in ready or worker.deadline <= now]:
            worker = self.busy.pop(pipe)
            outcome: Result | Loss = _receive(pipe) if pipe in ready else Loss.TIMEOUT
            if not isinstance(outcome, Loss):
                self._idle.append((pipe, worker))
                yield worker.index, outcome
                continue
            _end(pipe, worker)
            again = worker.n_items > 1
            if again:
                self._for_fresh.add(worker.index)
            yield worker.index, None if again else outcome

    def end(self) -> None:
        """End all workers, whatever they do."""
        for pipe, worker in [*self._idle, *self.busy.items()]:
            _end(pipe, worker)


def preload(*modules: str) -> None:
    """Import modules that the next workers need, where they are forked from this process."""
    if threading.active_count() == 1:
        for name in modules:
            importlib.import_module(name)


def _context() -> ForkContext | ForkServerContext:
    preload_in_server(*_PRELOAD_ONCE)
    context = worker_context(*_PRELOAD)
    if isinstance(context, ForkContext):
        # A worker's garbage collection would touch, and so copy, every page it shares with us.
        gc.freeze()
    return context


def _receive(pipe: connection.Connection) -> Any:
    try:
        return pipe.recv()
    except Exception:
        # The pipe closed, or what came through it is no whole message.
        return Loss.DIED


def _end(pipe: connection.Connection, worker: _Worker) -> None:
    process = worker.process
    if process.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()
    process.close()
    pipe.close()


def _address_space_bytes() -> int:
    """Return how much address space this process has, shared pages included."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


def _work(
    pipe: connection.Connection,
    function: Callable[[Item], Result],
    items: Sequence[Item] | None,
    forker: int | None,
) -> None:
    os.setsid()
    # Its report would quote paths; what ended a worker is told by its code.
    faulthandler.disable()
    die_with_run(forker)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    outcome: object = None
    # Nobody asks or listens any more when the run was killed.
    with contextlib.suppress(EOFError, BrokenPipeError):
        while not isinstance(outcome, Loss):
            told, memory_bytes = pipe.recv()
            outcome = _outcome(function, told if items is None else items[told], memory_bytes)
            pipe.send(outcome)


def _outcome(function: Callable[[Item], Result], item: Item, memory_bytes: int) -> Result | Loss:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = memory_bytes + _address_space_bytes()
    resource.setrlimit(
        resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most)
    )
    try:
        return function(item)
    except Exception:
        # The message may quote a header; only the fact goes back.
        return Loss.FAILED
