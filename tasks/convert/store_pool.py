"""Workers that may die: each item in a process of its own, bounded in time and memory."""

from __future__ import annotations

import contextlib
import ctypes
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
from multiprocessing import connection, get_context
from multiprocessing.context import ForkContext, ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Imported once before any worker is forked, so that one starts in milliseconds.
_PRELOAD = ["tasks.convert.store_warm"]
#: Loaded by the fork server always, which starts once; else only when a file needs it.
_PRELOAD_ONCE = ["pydicom", "pydicom.pixels.utils"]


_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Loss(StrEnum):
    """Why an item has no result."""

    DIED = "died"
    TIMEOUT = "timeout"
    FAILED = "failed"


@dataclass(frozen=True)
class _Running(Generic[Item]):
    index: int
    process: BaseProcess
    deadline: float


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
        A module-level function; runs in a fresh process of its own session.
    items : sequence
        What it is called with, one each.
    workers : int
        Processes at a time.
    timeout_s : callable
        Wall time for an item; then its process and all its children are killed.
    memory_bytes : callable
        Address space for an item, of the process beyond what it starts with from the run
        that forked it, and of each of its children.
    """
    context = _context()
    forker = os.getpid() if isinstance(context, ForkContext) else None
    running: dict[connection.Connection, _Running[Item]] = {}
    waiting = list(enumerate(items))[::-1]
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                index, item = waiting.pop()
                receive, send = context.Pipe(duplex=False)
                arguments = (send, function, item, memory_bytes(item), forker)
                process = context.Process(target=_work, args=arguments, daemon=True)
                process.start()
                send.close()
                running[receive] = _Running(index, process, time.monotonic() + timeout_s(item))
            yield from _collect(running)
    finally:
        for receive, work in running.items():
            _end(work.process)
            receive.close()


def preload(*modules: str) -> None:
    """Import modules that the next workers need, where they are forked from this process."""
    if threading.active_count() == 1:
        for name in modules:
            importlib.import_module(name)


def _context() -> ForkContext | ForkServerContext:
    """Return how workers are forked: from this process if that is safe, it costs half.

    A thread of ours may hold a lock in the moment of the fork, which no one would open in the
    worker; then a server process of one thread forks instead.
    """
    if threading.active_count() > 1:
        server = get_context("forkserver")
        server.set_forkserver_preload([*_PRELOAD, *_PRELOAD_ONCE])
        return server
    preload(*_PRELOAD)
    # A worker's garbage collection would touch, and so copy, every page it shares with us.
    gc.freeze()
    return get_context("fork")


def _collect(
    running: dict[connection.Connection, _Running[Item]],
) -> Iterator[tuple[int, Result | Loss]]:
    patience = min(work.deadline for work in running.values()) - time.monotonic()
    ready = connection.wait(list(running), timeout=max(patience, 0.0))
    now = time.monotonic()
    for receive in [r for r, work in running.items() if r in ready or work.deadline <= now]:
        work = running.pop(receive)
        outcome: Result | Loss = Loss.TIMEOUT
        if receive in ready:
            try:
                outcome = receive.recv()
            except Exception:
                # The pipe closed, or what came through it is no whole message.
                outcome = Loss.DIED
        receive.close()
        _end(work.process)
        yield work.index, outcome


def _end(process: BaseProcess) -> None:
    if process.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()
    process.close()


def _die_with_parent(forker: int | None) -> None:
    """End when who forked us does, the run or its fork server: no worker outlives a kill."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if forker not in (None, os.getppid()):
        # It ended before it was asked to tell.
        os._exit(1)


def _address_space_bytes() -> int:
    """Return how much address space this process has, shared pages included."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


def _work(
    send: connection.Connection,
    function: Callable[[Item], Result],
    item: Item,
    memory_bytes: int,
    forker: int | None,
) -> None:
    os.setsid()
    # Its report would quote paths; what ended a worker is told by its code.
    faulthandler.disable()
    _die_with_parent(forker)
    limit = memory_bytes + _address_space_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    outcome: Result | Loss
    try:
        outcome = function(item)
    except Exception:
        # The message may quote a header; only the fact goes back.
        outcome = Loss.FAILED
    # Nobody listens when the run was killed: then there is nobody to tell.
    with contextlib.suppress(BrokenPipeError):
        send.send(outcome)
    send.close()
