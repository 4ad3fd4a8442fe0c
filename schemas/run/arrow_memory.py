"""From where Arrow takes memory."""

from __future__ import annotations


def give_memory_back() -> None:
    """Let Arrow take memory from the allocator that Python has, and give it back to all.

    Its own keeps what was freed for itself: tens of MiB in a run of many small tables, most of
    what the memory of a command grows by. Larger tables are made a little faster with its own.
    """
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
