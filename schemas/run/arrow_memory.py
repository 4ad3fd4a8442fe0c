"""From where Arrow takes memory."""

from __future__ import annotations

import os
import sys


def give_memory_back() -> None:
    """Let Arrow take memory from the system's allocator, which gives it back to all.

    Its own keeps what was freed for itself: tens of MiB in a run of many small tables, most of
    what the memory of a command grows by. Larger tables are made a little faster with its own.
    Before Arrow is loaded all of it is meant, afterwards what is made from Python.
    """
    if "pyarrow" not in sys.modules:
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        return
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
