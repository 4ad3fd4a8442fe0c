"""SIGTERM as a way out: what a run holds is given back, and it is said where it stopped.

`systemctl stop` and a shutdown send it. By default it ends a process at once and without a word;
here it unwinds, as Ctrl-C does. What was not committed starts anew next time either way.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: Whether SIGTERM has come in this block: what it raised may have been swallowed on its way.
_asked = threading.Event()


class Stopped(BaseException):
    """The system asks this run to end: no error of a unit, and nothing may catch it as one."""


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM raise `Stopped` for the time of the block; a second one ends at once.

    No block ends as if nothing had been asked: what was raised may have become the error of a
    file, and that file be held for it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only that thread may say what a signal does
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    except Exception:
        stop_if_asked()  # what a library made of it
        raise
    else:
        stop_if_asked()
    finally:
        signal.signal(signal.SIGTERM, before)
        _asked.clear()


def stop_if_asked() -> None:
    """Raise `Stopped` once more where SIGTERM has come and the run goes on all the same.

    A signal may come while a library runs a callback, and what is raised there goes nowhere.
    Called where the next step or stage begins, and where one has ended.
    """
    if _asked.is_set() and threading.current_thread() is threading.main_thread():
        raise Stopped


def end_by_sigterm() -> None:
    """Let SIGTERM end this process at once, as a worker that holds nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _asked.set()
    raise Stopped
