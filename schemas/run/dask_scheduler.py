"""What a Dask scheduler is told at its start, so that it does not grow with every night.

`dask scheduler --preload schemas.run.dask_scheduler`. It serves nights for months, each over a
connection of its own. For every batch distributed keeps a span and its task groups for as long as
it lives (https://github.com/dask/distributed/issues/7977), and its logs keep what was sent: a
thousand messages with the shares of past nights in them. Nobody looks at either here.

What still stays is the name of each connection, below a KiB.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import dask.config
from distributed import Scheduler
from distributed.scheduler import TaskState, WorkerState
from distributed.spans import SpansSchedulerExtension
from distributed.utils import DequeHandler

_KEPT = 50
# Dask imports this before it makes the logs whose lengths are settings.
dask.config.set(
    {
        "distributed.admin.low-level-log-length": _KEPT,
        "distributed.admin.system-monitor.log-length": 240,
        "distributed.diagnostics.computations.max-history": 1,
        "distributed.diagnostics.erred-tasks.max-history": 1,
        "distributed.scheduler.events-cleanup-delay": "1 s",
    }
)


class _NoSpans(SpansSchedulerExtension):  # type: ignore[misc]  # distributed has no types
    """Answers as the extension does, and keeps nothing."""

    def observe_tasks(
        self, tss: Iterable[TaskState], code: object, span_metadata: object
    ) -> dict[Any, dict[str, Any]]:
        """Give every task no span."""
        return {}

    def heartbeat(self, ws: WorkerState, data: Mapping[Any, float]) -> None:
        """Drop what a worker measured for a span that is not there."""


def dask_setup(scheduler: Scheduler) -> None:
    """Let a scheduler keep no spans; Dask calls this before the first connection."""
    scheduler.extensions["spans"] = _NoSpans(scheduler)
    for handler in logging.getLogger("distributed.scheduler").handlers:
        if isinstance(handler, DequeHandler):  # made before the length above was set
            handler.deque = deque(handler.deque, maxlen=_KEPT)
