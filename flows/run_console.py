"""What a flow run shows of itself in Prefect's console, and whom it tells when it ends."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from schemas.errors import BusyError, LivercohortError
from schemas.run.nights import stamp
from schemas.run.progress import tell_step
from schemas.run.settings import Settings
from tasks.operate.task import send_message, tell_night
from tasks.report.store_builds import newest_report

P = ParamSpec("P")
R = TypeVar("R")


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
        tell_night(site, since, error.message)
        raise
    except Exception as error:
        tell_night(site, since, f"failed with {type(error).__name__}")
        raise
    tell_night(site, since)


def told_when_not_made(release: Callable[P, R]) -> Callable[P, R]:
    """Tell that a release was not made, and why; `dry_run` wanted none."""

    @functools.wraps(release)
    def told(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return release(*arguments, **named)
        except Exception as error:
            given = inspect.signature(release).bind(*arguments, **named).arguments
            if not given.get("dry_run"):
                why = error.message if isinstance(error, LivercohortError) else ""
                send_message.fn(
                    "livercohort: a release was not made", f"{type(error).__name__}: {why}"
                )
            raise

    return told


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
