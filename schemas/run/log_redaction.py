"""Log handlers that cannot let a value out: traces are cut, long numbers are blanked."""

from __future__ import annotations

import logging
import re
import sys
import warnings

from schemas.errors import LivercohortError
from schemas.run.shown_runs import PLAIN_LOGGER

#: Resident IDs (18), mobiles (11) and hospital numbers (7 and more); times and counts are shorter.
_LONG_NUMBER = re.compile(r"(?<![\w.-])\d{7,}[\dXx]?(?![\w.-])")


#: Loggers whose handlers print, write to the log file or send to the scheduler's database.
RUN_LOGGERS = ("prefect", "prefect.flow_runs", "prefect.task_runs", "prefect.extra", PLAIN_LOGGER)


class RedactingFilter(logging.Filter):
    """Cut exception traces down to the class, and blank numbers long enough to name a person."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record in place; never drop it."""
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            told = str(error) if isinstance(error, LivercohortError) else "details withheld"
            record.msg, record.args = f"{record.getMessage()} [{type(error).__name__}: {told}]", ()
        record.exc_info, record.exc_text = None, None
        text = record.getMessage()
        blanked = _LONG_NUMBER.sub("[number]", text)
        if blanked != text:
            record.msg, record.args = blanked, ()
        return True


def silence_warnings() -> None:
    """Print no warnings of readers of files: they quote the value found, which may be a name.

    Whoever asks Python for warnings (`-W`) gets them.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def redact_handlers(*logger_names: str) -> None:
    """Put the filter on every handler of the loggers, once, and silence warnings."""
    silence_warnings()
    for name in logger_names:
        for handler in logging.getLogger(name).handlers:
            if not any(isinstance(f, RedactingFilter) for f in handler.filters):
                handler.addFilter(RedactingFilter())
