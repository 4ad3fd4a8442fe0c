"""Progress as log records: stages say how far they are, the command line decides how to show it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from schemas.run.stopping import stop_if_asked

LOGGER_NAME = "livercohort"
_MIN_INTERVAL_S = 2.0
#: The step that each subject is at.
_steps: dict[str, str] = {}


def stage_progress(stage: str, subject: str) -> Callable[[int, int], None]:
    """Return a callback `(done, total)` that logs at most every two seconds, and at the end.

    Parameters
    ----------
    stage : str
        What is being done, e.g. ``de-identify``.
    subject : str
        An opaque name of what it is done to: a site code and a batch id.
    """
    logger = logging.getLogger(LOGGER_NAME)
    last = 0.0

    def advance(done: int, total: int) -> None:
        nonlocal last
        if done < total:
            stop_if_asked()
        now = time.monotonic()
        if done < total and now - last < _MIN_INTERVAL_S:
            return
        last = now
        facts = {"stage": stage, "subject": subject, "done": done, "total": total}
        logger.info("%s: %s %d of %d", subject, stage, done, total, extra=facts)

    return advance


def tell_step(subject: str, step: str, number: int, total: int) -> None:
    """Tell which step begins now: a terminal shows it at once, however long it takes.

    Parameters
    ----------
    subject : str
        An opaque name of what it is done to.
    step : str
        Its name; empty when the last one has ended.
    number, total : int
        Steps that are done, and all of them.
    """
    _steps.pop(subject, None)
    if step:
        stop_if_asked()
        _steps[subject] = step
    facts = {"stage": "steps", "subject": subject, "done": number, "total": total, "step": step}
    text = f"{subject}: {step} ({number + 1} of {total})" if step else f"{subject}: done"
    logging.getLogger(LOGGER_NAME).info("%s", text, extra=facts)


def step_now() -> str:
    """Return which step of what has begun last and not ended; empty where there is none."""
    return ": ".join(list(_steps.items())[-1]) if _steps else ""


def no_step() -> None:
    """Let nothing be at a step any more: what failed at one has not told that it ended."""
    _steps.clear()


def announce(text: str) -> None:
    """Tell whoever watches what begins now."""
    logging.getLogger(LOGGER_NAME).info("%s", text)
