"""How worker processes start: forked from this process where that is safe, it costs half.

A thread of ours may hold a lock in the moment of the fork, which no one would open in the
worker. With threads, as under Prefect, a server process of one thread forks instead. It starts
once for all stages of a night, so what any stage's workers need is imported there.
"""

from __future__ import annotations

import importlib
import threading
from multiprocessing import get_context
from multiprocessing.context import ForkContext, ForkServerContext

_for_server: list[str] = []


def preload_in_server(*modules: str) -> None:
    """Say what the server, once it is started, imports before it forks any worker."""
    _for_server.extend(name for name in modules if name not in _for_server)


def worker_context(*modules: str) -> ForkContext | ForkServerContext:
    """Return how to start workers that need these modules, by name; they find them loaded."""
    if threading.active_count() > 1:
        preload_in_server(*modules)
        server = get_context("forkserver")
        server.set_forkserver_preload([*_for_server])
        return server
    for name in modules:
        importlib.import_module(name)
    return get_context("fork")
