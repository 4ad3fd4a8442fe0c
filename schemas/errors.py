"""Every error a person may meet: what was found, what was expected, where, and what to do.

An error never quotes an identifying value: neither a patient's, nor a file name that
a site chose. File numbers, counts, codes and column names are what it may say.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """What a `livercohort` command returns to the shell."""

    DONE = 0
    BLOCKED = 1
    BAD_INPUT = 2
    ENVIRONMENT = 3
    INTERRUPTED = 4
    #: As Python ends: nobody read what was said to its end. It does not tell what was done.
    NOT_TOLD = 120
    #: As a shell says it of a process that SIGTERM ended: 128 + 15.
    STOPPED = 143


class LivercohortError(Exception):
    """Base of all errors of this project that a person can act on.

    Parameters
    ----------
    found : str
        What was found, without identifying values.
    expected : str
        What was expected instead; empty when the finding says it all.
    where : str
        File, table, row or setting, as far as it may be named.
    hint : str
        What to do next.
    """

    exit_code: ExitCode = ExitCode.BLOCKED

    def __init__(self, found: str, *, expected: str = "", where: str = "", hint: str = "") -> None:
        self.found = found
        self.expected = expected
        self.where = where
        self.hint = hint
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole message on one line."""
        parts = [self.found]
        if self.where:
            parts.append(f"in {self.where}")
        if self.expected:
            parts.append(f"(expected: {self.expected})")
        text = " ".join(parts)
        return f"{text}. {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process with all four parts."""
        return _rebuild, (type(self), self.found, self.expected, self.where, self.hint)


def _rebuild(
    kind: type[LivercohortError], found: str, expected: str, where: str, hint: str
) -> LivercohortError:
    return kind(found, expected=expected, where=where, hint=hint)


class GateBlockedError(LivercohortError):
    """A gate said no: findings of severity blocker stand."""

    exit_code = ExitCode.BLOCKED


class SubjectsHeldError(GateBlockedError):
    """Some subjects must stay out of what was about to be published; the others need not.

    `subjects` are their pseudonyms.
    """

    subjects: frozenset[str] = frozenset()


class BadInputError(LivercohortError):
    """What a person or a site gave cannot be used as it is."""

    exit_code = ExitCode.BAD_INPUT


class ContractError(BadInputError):
    """A table under `data_contracts/` or `expectations/` has a row that cannot be used."""


class EnvironmentProblemError(LivercohortError):
    """The machine lacks something: a key, a tool, space, a right to write."""

    exit_code = ExitCode.ENVIRONMENT


class BusyError(EnvironmentProblemError):
    """Another run holds the site."""


class StorageError(EnvironmentProblemError):
    """A store named by URL is not there, or refuses."""


class NightIncompleteError(GateBlockedError):
    """A night ended, but an export or batch was refused or held; the rest is committed.

    Parameters
    ----------
    night : dict
        What the night would have returned: site code, committed batches, refusals.
    """

    def __init__(self, night: dict[str, Any]) -> None:
        self.night = night
        held = sum(batch["state"] == "held" for batch in night["batches"])
        super().__init__(
            f"the night at {night['site_code']} is not complete: "
            f"{len(night['refused'])} refused, {held} held",
            hint=" ".join(night["refused"]) or "Look at the findings of the held batch.",
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from another process."""
        return type(self), (self.night,)
