"""Runs as Prefect shows them, where Prefect runs them; elsewhere the same functions, plain.

Files decide what is done and what is told; Prefect schedules runs and shows them. A command that
was given no server (`PREFECT_API_URL`) has nobody to show anything to, so nothing of Prefect is
loaded and no server of our own is started for it: that took half of a small night, and opened a
port. Stages ask when they are called, flows when their module is imported: Prefect takes nothing
but its own objects, and has been loaded when it imports a flow.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from schemas.errors import LivercohortError
from schemas.run.progress import LOGGER_NAME, announce

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

#: What stages log where nobody shows it; the commands keep it in the log file.
PLAIN_LOGGER = "livercohort.runs"
#: Set once the server that shows the runs of this process did not answer.
_gone = threading.Event()
_until_the_end = ExitStack()
#: What flows of this process came to, whether it could be shown or not.
_over: dict[str, Any] = {}
_plain_log = logging.getLogger(PLAIN_LOGGER)
# Not on the terminal: progress lines are what a person reads there.
_plain_log.propagate = False
_plain_log.setLevel(logging.INFO)
_plain_log.addHandler(logging.NullHandler())


class Shown(Protocol[P, R_co]):
    """A stage or flow; `fn` is the function itself, which shows nothing."""

    @property
    def fn(self) -> Callable[P, R_co]:
        """The function itself."""

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R_co:
        """Run it."""


class _Plain(Generic[P, R]):
    def __init__(self, function: Callable[P, R]) -> None:
        self.fn = function
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        return self.fn(*arguments, **named)


class _Stage(_Plain[P, R]):
    def __init__(
        self, function: Callable[P, R], name: str, retries: int, retry_delay_seconds: float
    ) -> None:
        super().__init__(function)
        self.name, self._retries, self._delay_s = name, retries, retry_delay_seconds

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        if in_flow_run():
            return self._task(*arguments, **named)
        for left in range(self._retries, 0, -1):
            try:
                return self.fn(*arguments, **named)
            except Exception as error:
                told = type(error).__name__
                _plain_log.warning("%s: %s, %d tries are left", self.name, told, left)
                time.sleep(self._delay_s)
        return self.fn(*arguments, **named)

    @functools.cached_property
    def _task(self) -> Callable[P, R]:
        from prefect import task as of_prefect

        made: Callable[P, R] = of_prefect(
            name=self.name,
            task_run_name=self.name,
            retries=self._retries,
            retry_delay_seconds=self._delay_s,
        )(self.fn)
        return made


def task(
    *, name: str, retries: int, retry_delay_seconds: float = 0
) -> Callable[[Callable[P, R]], Shown[P, R]]:
    """Let a stage be a task of the flow run that it is called in, if it is called in one.

    Parameters
    ----------
    name : str
        Of the task and of its runs; fixed, because Prefect stores it in plain text.
    retries : int
        How often what it raises is tried again, shown or not.
    retry_delay_seconds : float
        Time between two tries.
    """
    return lambda function: _Stage(function, name, retries, retry_delay_seconds)


def flow(**options: Any) -> Callable[[Callable[P, R]], Shown[P, R]]:
    """Make a function a flow where Prefect imports it or its server is named.

    Parameters
    ----------
    **options
        As of `prefect.flow`.
    """

    def decorate(function: Callable[P, R]) -> Shown[P, R]:
        if not (os.environ.get("PREFECT_API_URL") or "prefect" in sys.modules):
            return _Plain(function)
        from prefect import flow as of_prefect

        _try_events_without_a_wait()
        made: Shown[P, R] = of_prefect(**options)(function)
        return made

    return decorate


def in_flow_run() -> bool:
    """Return whether Prefect runs what is running."""
    if "prefect" not in sys.modules:
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


def run_parameters() -> Mapping[str, object]:
    """Return what the flow run was given, while Prefect gives it its name or runs it."""
    from prefect.runtime import flow_run

    return dict(flow_run.parameters)


def get_run_logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """Return the logger of this run: Prefect's where it shows it, else that of the log file."""
    if not in_flow_run():
        return _plain_log
    from prefect.logging import get_run_logger as of_prefect

    return of_prefect()


def work_is_over(name: str, result: object) -> None:
    """Say what a flow came to, as its last word: what is raised after it is of its server."""
    _over[name] = result


def shown_to_the_end(name: str, run: Callable[[], R]) -> R:
    """Run a flow; where nothing failed but to show how it ended, return what it came to.

    Parameters
    ----------
    name : str
        As the flow says it to `work_is_over`; told to people.
    run : callable
        Calls the flow.
    """
    _over.pop(name, None)
    try:
        return run()
    except LivercohortError:
        raise
    except Exception as error:
        if name not in _over:
            raise
        announce(f"{name}: done, its end could not be shown: {type(error).__name__}")
        result: R = _over[name]
        return result


def _show(showing: Callable[[], R]) -> R | None:
    """Show something; a server that is gone costs a wait once, and never what it would show."""
    from httpx import HTTPError

    if _gone.is_set():
        return None
    try:
        return showing()
    except HTTPError as error:
        _await_it_no_more()
        told = "the server that shows this run does not answer (%s): the run goes on, not shown"
        logging.getLogger(LOGGER_NAME).warning(told, type(error).__name__)
        return None


def _await_it_no_more() -> None:
    """Let what Prefect itself still asks fail at once: it was asked long enough."""
    from prefect.settings import (
        PREFECT_CLIENT_MAX_RETRIES,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    _gone.set()
    no_more = {PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_LOGGING_TO_API_ENABLED: False}
    _until_the_end.enter_context(temporary_settings(no_more))


def _try_events_without_a_wait() -> None:
    """Let no event wait for a server that is gone: by default each one does, for seven seconds.

    Four tries at once are what Prefect makes before its first wait. What was not confirmed is sent
    again with the next event that gets through.
    """
    from prefect.events.clients import PrefectEventsClient
    from prefect.events.worker import EventsWorker

    EventsWorker.set_client_override(PrefectEventsClient, reconnection_attempts=3)


def create_table_artifact(
    *, key: str, table: Sequence[Mapping[str, object]], description: str
) -> None:
    """Show a table beside the run.

    Parameters
    ----------
    key : str
        Its name in the console; site codes and fixed words only.
    table : sequence of mapping
        Its rows.
    description : str
        What it lists.
    """
    if in_flow_run():
        from prefect.artifacts import create_table_artifact as of_prefect

        rows = [dict(row) for row in table]
        _show(lambda: of_prefect(key=key, table=rows, description=description))


def create_markdown_artifact(*, key: str, markdown: str) -> None:
    """Show a text beside the run, by a name of site codes and fixed words only."""
    if in_flow_run():
        from prefect.artifacts import create_markdown_artifact as of_prefect

        _show(lambda: of_prefect(key=key, markdown=markdown))


def progress_shown(key: str, description: str) -> Callable[[float], None]:
    """Show a progress bar at 0 and return what moves it, in percent.

    Parameters
    ----------
    key : str
        Its name in the console; site codes and fixed words only.
    description : str
        What it counts.
    """
    if not in_flow_run():
        return lambda percent: None
    from uuid import UUID

    from prefect.artifacts import create_progress_artifact, update_progress_artifact

    made = _show(lambda: create_progress_artifact(0.0, key=key, description=description))
    if made is None:
        return lambda percent: None
    if not isinstance(made, UUID):
        raise TypeError("progress is shown from synchronous flows only")

    def move(percent: float) -> None:
        _show(lambda: update_progress_artifact(made, percent))

    return move
