"""What is to be done by a pool, and who does it: this machine, or others for a whole night."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

#: What prepares a process before its first item, and what that is called with.
Start = tuple[Callable[..., None], tuple[object, ...]]


@dataclass(frozen=True)
class Warm:
    """Modules that workers find loaded, so that one starts in milliseconds.

    `modules` are imported before any worker is forked; `in_server` only by a server that forks
    them, which starts once: a process that forks them itself loads those when a file needs it.
    """

    modules: tuple[str, ...] = ()
    in_server: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """What is to be done, as it can be told to another machine; bounds are one for each item."""

    function: Callable[[Any], Any]
    items: Sequence[Any]
    warm: Warm
    start: Start | None
    timeouts_s: tuple[float, ...] | None
    memory_bytes: tuple[int, ...] | None

    def share(self, indices: Sequence[int]) -> Work:
        """Return the part of the work with these items."""
        timeouts, memory = self.timeouts_s, self.memory_bytes
        return Work(
            self.function,
            [self.items[i] for i in indices],
            self.warm,
            self.start,
            None if timeouts is None else tuple(timeouts[i] for i in indices),
            None if memory is None else tuple(memory[i] for i in indices),
        )


class Executor(Protocol):
    """Workers of other machines."""

    def run(self, work: Work) -> Iterator[tuple[int, Any]]:
        """Yield `(index, result or Loss)` as items end."""


_elsewhere: list[Executor] = []


@contextlib.contextmanager
def spread_over(executor: Executor | None) -> Iterator[None]:
    """Let the work of this process be done elsewhere for the time of the block; None: here."""
    if executor is None:
        yield
        return
    _elsewhere.append(executor)
    try:
        yield
    finally:
        _elsewhere.remove(executor)


def elsewhere() -> Executor | None:
    """Return who does the work of this process now; None: this machine."""
    return _elsewhere[-1] if _elsewhere else None
