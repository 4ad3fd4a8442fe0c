"""Errors that leave a stage carry no values: the scheduler stores every message it sees.

The full trace of an unexpected error is kept for the engineers, in the restricted zone.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import LivercohortError
from schemas.run.atomic_files import sha256_of_bytes, write_bytes
from schemas.run.stopping import stop_if_asked
from schemas.run.zones import Zones

_TRACES = "errors"


class StageFailedError(LivercohortError):
    """A stage met an error that no rule foresees; what it was working on is held."""


@contextmanager
def redacted_errors(stage: str, zones: Zones) -> Iterator[None]:
    """Let our own errors pass and replace all others by one without values.

    A stage does not begin, and is not believed, once SIGTERM has come: what it raised may have
    become the error of a library, and that of a file.
    """
    stop_if_asked()
    try:
        yield
    except LivercohortError:
        stop_if_asked()
        raise
    except Exception as error:
        stop_if_asked()
        raise redacted(error, stage, zones) from None
    stop_if_asked()


def redacted(error: Exception, stage: str, zones: Zones) -> StageFailedError:
    """Keep the trace in the restricted zone and return an error that only points to it."""
    name = type(error).__name__
    trace = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace")
    note = _keep(trace, zones.restricted / _TRACES / f"{stage}-{sha256_of_bytes(trace)[:12]}.txt")
    # What the system says is worded by it: "No space left on device" names nobody.
    said = f" ({os.strerror(error.errno)})" if isinstance(error, OSError) and error.errno else ""
    return StageFailedError(
        f"stage {stage} failed with {name}{said}",
        hint=f"{note} Nothing of it was released; mend the cause and run again.",
    )


def forget_traces(zones: Zones) -> None:
    """Remove the traces that are kept: any of them may quote anybody."""
    for path in sorted((zones.restricted / _TRACES).glob("*.txt")):
        path.unlink(missing_ok=True)


def _keep(trace: bytes, path: Path) -> str:
    try:
        write_bytes(path, trace, mode=0o600)
    except OSError as problem:
        return f"The trace could not be kept ({os.strerror(problem.errno or 0)})."
    return f"The trace is in restricted/errors/{path.name}."
