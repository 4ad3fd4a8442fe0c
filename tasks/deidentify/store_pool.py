"""Run a function over many items in worker processes; a dying worker loses only its item."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby, islice
from multiprocessing.context import ForkContext
from typing import Generic, TypeVar

from schemas.run.forking import die_with_run, worker_context

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
#: Items that belong together go to one worker, up to so many at a time.
_CHUNK = 64
#: Chunks under way at a time, per worker: keeps memory flat and few items in doubt.
_CHUNKS_AHEAD = 2
_WARM = "tasks.deidentify.store_warm"


class Pool(Generic[_Item, _Result]):
    """A process pool that survives the death of its workers.

    Parameters
    ----------
    work : callable
        Module-level function of one item. What it raises ends the run, so it should not.
    on_death : callable
        Gives the result for an item whose worker died, alone, a second time.
    workers : int
        Number of processes.
    initializer, initargs
        Run once in each process, as in `ProcessPoolExecutor`.
    together : callable
        Says by equal values which items in a row belong together: a worker that has seen one
        file of a series does the next ones faster.
    """

    def __init__(
        self,
        work: Callable[[_Item], _Result],
        on_death: Callable[[_Item], _Result],
        workers: int,
        initializer: Callable[..., None],
        initargs: tuple[object, ...],
        together: Callable[[_Item], object],
    ) -> None:
        self._work = work
        self._on_death = on_death
        self._workers = workers
        self._initializer = initializer
        self._initargs = initargs
        self._together = together

    def run(self, items: Sequence[_Item]) -> Iterator[_Result]:
        """Yield one result per item, in order."""
        queue = self._chunks(items)
        executor = self._executor(self._workers)
        ahead: list[Sequence[_Item]] = []
        futures: list[Future[list[_Result]]] = []
        try:
            while True:
                try:
                    for chunk in islice(queue, self._workers * _CHUNKS_AHEAD - len(ahead)):
                        ahead.append(chunk)  # first: a pool that breaks now must not lose it
                        futures.append(executor.submit(_run_chunk, self._work, chunk))
                    if not ahead:
                        return
                    results = futures.pop(0).result()
                    ahead.pop(0)
                    yield from results
                except BrokenProcessPool:
                    executor.shutdown(cancel_futures=True)
                    # Nobody knows which item killed the worker: those under way run singly.
                    in_doubt = [item for chunk in ahead for item in chunk]
                    ahead, futures = [], []
                    yield from self._one_by_one(in_doubt)
                    executor = self._executor(self._workers)
        finally:
            executor.shutdown(cancel_futures=True)

    def _chunks(self, items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
        for _, same in groupby(items, key=self._together):
            while chunk := list(islice(same, _CHUNK)):
                yield chunk

    def _one_by_one(self, items: Sequence[_Item]) -> Iterator[_Result]:
        executor = self._executor(1)
        try:
            for item in items:
                try:
                    yield executor.submit(self._work, item).result()
                except BrokenProcessPool:
                    yield self._on_death(item)
                    executor.shutdown()
                    executor = self._executor(1)
        finally:
            executor.shutdown(cancel_futures=True)

    def _executor(self, workers: int) -> ProcessPoolExecutor:
        context = worker_context(_WARM)
        forker = os.getpid() if isinstance(context, ForkContext) else None
        return ProcessPoolExecutor(
            max_workers=workers,
            mp_context=context,
            initializer=_start,
            initargs=(forker, self._initializer, self._initargs),
        )


def _start(
    forker: int | None, initializer: Callable[..., None], initargs: tuple[object, ...]
) -> None:
    die_with_run(forker)
    # Collecting garbage would touch, and so copy, every page shared with who forked us.
    gc.freeze()
    initializer(*initargs)


def _run_chunk(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    return [work(item) for item in items]
