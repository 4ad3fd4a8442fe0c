"""What a flow run shows of itself in Prefect's console, and whom it tells when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.runtime import flow_run as this_run

from schemas.errors import BusyError, LivercohortError
from schemas.run.nights import stamp
from schemas.run.progress import tell_step
from schemas.run.settings import Settings
from tasks.operate.task import send_message, tell_night
from tasks.report.store_builds import newest_report


@contextmanager
def told_when_ended(site: str) -> Iterator[None]:
    """Tell of a night when it has ended or failed; one that was killed tells the next morning.

    A night that finds its site busy tells nothing: the one that holds it does.
    """
    since = stamp(time.time())
    try:
        yield
    except BusyError:
        raise
    except LivercohortError as error:
        _tell(site, since, error.message)
        raise
    except Exception as error:
        _tell(site, since, f"failed with {type(error).__name__}")
        raise
    _tell(site, since)


def _tell(*facts: str) -> None:
    # A flow that is called as a function has no run, and no server that could show a task.
    (tell_night if this_run.id else tell_night.fn)(*facts)


def tell_release_failed(flow: object, flow_run: Any, state: Any) -> None:
    """Tell that a release was not made, and why; Prefect calls it by these names."""
    if not flow_run.parameters.get("dry_run"):
        send_message.fn("livercohort: a release was not made", str(state.message or ""))


def newest_report_link(settings: Settings) -> str:
    """Return a link to the report that was written last, for a text in the console."""
    folder = newest_report(settings.zones.reports).folder
    index = folder / "index.html"
    if not index.is_file():
        return "There is no report yet."
    return f"Newest so far: [{folder.name}]({index.as_uri()})"


def steps_shown(move: Callable[[float], None], subject: str, total: int) -> Callable[[str], None]:
    """Return what tells, before each step, how far a run is: the console and the terminal.

    Parameters
    ----------
    move : callable
        Moves the bar of the console, in percent.
    subject : str
        What is run; a site code, a batch id or a fixed word.
    total : int
        How many steps there are; one that is done again counts once.
    """
    begun: list[str] = []

    def step(name: str) -> None:
        if name not in begun:
            begun.append(name)
        # The one that begins is not done yet; the end has no name.
        number = begun.index(name) if name else total
        move(100.0 * number / total)
        tell_step(subject, name, number, total)

    return step


def progress_shown(key: str, description: str) -> Callable[[float], None]:
    """Show a progress bar at 0 and return what moves it, in percent.

    Parameters
    ----------
    key : str
        Its name in the console; site codes and fixed words only.
    description : str
        What it counts.
    """
    made = create_progress_artifact(0.0, key=key, description=description)
    if not isinstance(made, UUID):
        raise TypeError("progress is shown from synchronous flows only")

    def move(percent: float) -> None:
        update_progress_artifact(made, percent)

    return move
