"""How a command ends once its work is done: at once."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn

from schemas.errors import ExitCode


def leave(code: int) -> NoReturn:
    """End this process; what was registered for its end is done, and all that was said is out.

    Python would take apart every module and object first, a tenth of the time of a short command.

    Parameters
    ----------
    code : int
        What the command comes to.
    """
    here = threading.current_thread()
    if any(thread is not here and not thread.daemon for thread in threading.enumerate()):
        # They are waited for, as ever.
        sys.exit(code)
    # There is none of the two where the caller had closed it before.
    said = [stream.flush for stream in (sys.stdout, sys.stderr) if stream is not None]
    for last in (atexit._run_exitfuncs, *said):  # noqa: SLF001
        try:
            last()
        except (OSError, ValueError):
            # Nobody reads any more, or it is closed.
            code = ExitCode.NOT_TOLD
    os._exit(code)
