"""Workers that may die: what one loses is tried in a fresh one, and only that is lost.

The one pool of the project. `run_isolated` bounds each item in time and memory and yields
results as they come; `run_in_order` hands out many small items in chunks of those that belong
together, and yields their results in the order of the items. Where a night was given workers of
other machines (`spread_over`), items go to those; each of them works them off with `run_here`.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import importlib
import math
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from multiprocessing import connection
from multiprocessing.context import ForkContext, ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, TypeVar

from schemas.run.chunks import as_they_are, chunks_of, each, unless_raised
from schemas.run.forking import can_fork, die_with_run, preload_in_server, worker_context
from schemas.run.stopping import end_by_sigterm
from schemas.run.work import Start, Warm, Work, elsewhere

Item = TypeVar("Item")
Result = TypeVar("Result")
Packed = TypeVar("Packed")

#: How often a pool looks whether anybody still wants what it does.
_LOOK_S = 0.5


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
    warm: Warm | None = None,
    start: Start | None = None,
    timeout_s: Callable[[Item], float] | None = None,
    memory_bytes: Callable[[Item], int] | None = None,
    meanwhile: Callable[[], None] | None = None,
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
    warm : Warm, optional
        What they find loaded.
    start : (callable, arguments), optional
        Called once in each process before its first item.
    timeout_s : callable, optional
        Wall time for an item; then its process and all its children are killed.
    memory_bytes : callable, optional
        Address space for an item, of the process beyond what it has when the item comes, and
        of each of its children.
    meanwhile : callable, optional
        Called once while workers of this machine are at their first items.
    """
    work = Work(
        function,
        items,
        warm or Warm(),
        start,
        None if timeout_s is None else tuple(timeout_s(item) for item in items),
        None if memory_bytes is None else tuple(memory_bytes(item) for item in items),
    )
    # One item, or one at a time, is done sooner here than it is sent.
    others = elsewhere() if workers > 1 and len(items) > 1 else None
    if others is not None:
        yield from others.run(work)
    else:
        yield from run_here(work, workers=workers, meanwhile=meanwhile)


def run_here(
    work: Work,
    *,
    workers: int,
    wanted: Callable[[], bool] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[tuple[int, Any]]:
    """Do the work in processes of this machine, whatever else there is; as `run_isolated`.

    Parameters
    ----------
    work : Work
    workers : int
        Processes at a time.
    wanted : callable, optional
        Asked twice a second; once it says no, all processes are ended.
    meanwhile : callable, optional
        As in `run_isolated`.
    """
    pool: _Pool[Any, Any] = _Pool(
        work, _context(work.warm), math.inf if wanted is None else _LOOK_S
    )
    waiting = list(range(len(work.items)))[::-1]

    def give() -> None:
        while waiting and len(pool.busy) < workers:
            pool.give(waiting.pop())

    try:
        give()
        if meanwhile is not None:
            meanwhile()
        while pool.busy:
            if wanted is not None and not wanted():
                return
            ended = list(pool.collect())
            waiting += [index for index, outcome in ended if outcome is None]
            give()  # before anybody looks at what came: a worker need not wait for that
            yield from ((index, outcome) for index, outcome in ended if outcome is not None)
    finally:
        pool.end()


def run_in_order(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    on_death: Callable[[Item], Result],
    together: Callable[[Item], object],
    warm: Warm | None = None,
    start: Start | None = None,
) -> Iterator[Result]:
    """Yield one result per item, in order.

    Parameters
    ----------
    function : callable
        Module-level function of one item. What it raises is raised here and ends the run.
    items, workers, warm, start
        As in `run_isolated`.
    on_death : callable
        Gives the result for an item whose worker died, alone, a second time.
    together : callable
        Says by equal values which items in a row belong together: a worker that has seen one
        file of a series does the next ones faster.
    """
    for results in run_packed(
        function,
        items,
        pack=as_they_are,
        workers=workers,
        on_death=on_death,
        together=together,
        warm=warm,
        start=start,
    ):
        yield from results


def run_packed(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    pack: Callable[[list[Result]], Packed],
    workers: int,
    on_death: Callable[[Item], Result],
    together: Callable[[Item], object],
    n_bytes: Callable[[Item], int] | None = None,
    warm: Warm | None = None,
    start: Start | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[Packed]:
    """Yield the results of items that belong together as one, in the order of the items.

    Parameters
    ----------
    function, items, workers, on_death, together, warm, start, meanwhile
        As in `run_in_order` and `run_isolated`. A slice of `items` is what goes to a worker at
        once; a sequence that makes its items when they are asked for need not hold them all.
    pack : callable
        Module-level function; called in the worker with the results of a few dozen items, it
        makes of them what comes back. What many items have in common need be told once.
    n_bytes : callable, optional
        Size of an item: more small ones go to a worker at once than large ones.
    """
    run = partial(run_isolated, partial(each, function, pack), warm=warm, start=start)
    sized = () if n_bytes is None else (n_bytes,)
    chunks = list(chunks_of(items, together, *sized))
    done: dict[int, list[Packed]] = {}
    n_given = 0
    for index, outcome in run(chunks, workers=workers, meanwhile=meanwhile):
        if isinstance(outcome, Loss):
            # Nobody knows which item ended the worker: all of the chunk run singly.
            singles = [[item] for item in chunks[index]]
            alone = dict(run(singles, workers=1))
            ends = (alone[place] for place in range(len(singles)))
            done[index] = [
                pack([on_death(single[0])]) if isinstance(end, Loss) else unless_raised(end)
                for single, end in zip(singles, ends, strict=True)
            ]
        else:
            done[index] = [unless_raised(outcome)]
        while n_given in done:
            yield from done.pop(n_given)
            n_given += 1


class _Pool(Generic[Item, Result]):
    def __init__(
        self, work: Work, context: ForkContext | ForkServerContext, patience_s: float
    ) -> None:
        self.busy: dict[connection.Connection, _Worker] = {}
        self._idle: list[tuple[connection.Connection, _Worker]] = []
        self._for_fresh: set[int] = set()
        self._work, self._items, self._context = work, work.items, context
        self._patience_s = patience_s
        self._forks = isinstance(context, ForkContext)

    def give(self, index: int) -> None:
        """Let a worker begin with an item."""
        if index in self._for_fresh and self._idle:
            _end(*self._idle.pop())
        pipe, worker = self._idle.pop() if self._idle else self._start()
        item = self._items[index]
        worker.index, worker.n_items = index, worker.n_items + 1
        timeouts, memory = self._work.timeouts_s, self._work.memory_bytes
        worker.deadline = math.inf if timeouts is None else time.monotonic() + timeouts[index]
        self.busy[pipe] = worker
        # A worker that just died is seen when its answer is waited for.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            pipe.send((index if self._forks else item, None if memory is None else memory[index]))

    def _start(self) -> tuple[connection.Connection, _Worker]:
        ours, theirs = self._context.Pipe()
        # A forked worker has all items already: only their numbers need to be told.
        items = self._items if self._forks else None
        forker = os.getpid() if self._forks else None
        arguments = (theirs, self._work.function, items, forker, self._work.start)
        process = self._context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return ours, _Worker(process)

    def collect(self) -> Iterator[tuple[int, Result | Loss | None]]:
        """Wait for an end; yield outcomes, None for an item that shall be tried again."""
        left = min(worker.deadline for worker in self.busy.values()) - time.monotonic()
        patience = min(left, self._patience_s)
        bounded = None if math.isinf(patience) else max(patience, 0.0)
        ready = connection.wait(list(self.busy), timeout=bounded)
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
    if can_fork():
        for name in modules:
            importlib.import_module(name)


def _context(warm: Warm) -> ForkContext | ForkServerContext:
    preload_in_server(*warm.in_server)
    context = worker_context(*warm.modules)
    if isinstance(context, ForkContext):
        # A worker's garbage collection would touch, and so copy, every page it shares with us.
        gc.freeze()
        # What stays set aside to the end is not taken apart, and compiled libraries then tell the
        # terminal, line by line, that it leaked.
        atexit.unregister(gc.unfreeze)
        atexit.register(gc.unfreeze)
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
    start: Start | None,
) -> None:
    os.setsid()
    end_by_sigterm()
    # Its report would quote paths; what ended a worker is told by its code.
    faulthandler.disable()
    die_with_run(forker)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.freeze()
    if start is not None:
        prepare, arguments = start
        prepare(*arguments)
    outcome: object = None
    # Nobody asks or listens any more when the run was killed.
    with contextlib.suppress(EOFError, BrokenPipeError):
        while not isinstance(outcome, Loss):
            told, memory_bytes = pipe.recv()
            outcome = _outcome(function, told if items is None else items[told], memory_bytes)
            pipe.send(outcome)


def _outcome(
    function: Callable[[Item], Result], item: Item, memory_bytes: int | None
) -> Result | Loss:
    if memory_bytes is not None:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        limit = memory_bytes + _address_space_bytes()
        soft = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(resource.RLIMIT_AS, (soft, most))
    try:
        return function(item)
    except Exception:
        # The message may quote a header; only the fact goes back.
        return Loss.FAILED
