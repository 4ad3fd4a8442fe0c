"""Whose processes work for a night: this machine's, or those behind a Dask scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import EnvironmentProblemError
from schemas.run.settings import PROCESSES, Settings
from schemas.run.work import spread_over


@contextmanager
def workers_of(settings: Settings) -> Iterator[None]:
    """Let the pools of this process use what the settings say, for the time of the block.

    Raises
    ------
    EnvironmentProblemError
        If Dask is not installed, or its scheduler cannot be used.
    """
    if settings.executor == PROCESSES:
        yield
        return
    try:
        from schemas.run.dask_pool import dask_workers
    except ImportError:
        raise EnvironmentProblemError(
            "Dask is not installed",
            where="LIVERCOHORT_EXECUTOR",
            hint='Install it: pip install "livercohort[dask]".',
        ) from None
    with dask_workers(settings, settings.executor) as executor, spread_over(executor):
        yield
