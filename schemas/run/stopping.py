"""SIGTERM as a way out: what a run holds is given back, and it is said where it stopped.

`systemctl stop` and a shutdown send it. By default it ends a process at once and without a word;
here it unwinds, as Ctrl-C does. What was not committed starts anew next time either way. Ctrl-C is
kept in mind as well: a library that runs a loop of its own would take it for itself.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: What signals have raised in this block: it may have been swallowed on its way.
_asked: list[type[BaseException]] = []


class Stopped(BaseException):
    """The system asks this run to end: no error of a unit, and nothing may catch it as one."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM raise `Stopped`, and SIGINT as ever; a second SIGTERM ends at once.

    No block ends as if nothing had been asked: what was raised may have become the error of a
    file, and that file be held for it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only that thread may say what a signal does
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _stop)}
    # What runs in the background of a shell may have been told to take no notice of it.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    except Exception:
        stop_if_asked()  # what a library made of it
        raise
    else:
        stop_if_asked()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked.clear()


def stop_if_asked() -> None:
    """Raise once more what a signal has raised, where the run goes on all the same.

    A signal may come while a library runs a callback, and what is raised there goes nowhere.
    Called where the next step or stage begins, and where one has ended.
    """
    if _asked and threading.current_thread() is threading.main_thread():
        raise _asked[0]


def end_by_sigterm() -> None:
    """Let SIGTERM end this process at once, as a worker that holds nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _asked.append(Stopped)
    raise Stopped


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _asked.append(KeyboardInterrupt)
    raise KeyboardInterrupt
