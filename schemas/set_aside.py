"""Set aside files that were accepted until something was found: with nothing of them released."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from schemas.records import FileOutcome
from schemas.states import FileState, ReasonCode

_LET_IN = (FileState.ACCEPTED, FileState.DUPLICATE)


def set_aside(
    outcomes: Iterable[FileOutcome], reason_of: Mapping[str, ReasonCode]
) -> tuple[FileOutcome, ...]:
    """Return the outcomes, those of held instances set aside.

    Duplicates of them too: they are duplicates of something that is not there any more, and
    perhaps the bytes that are wanted when a person decides. What only an accepted file has
    goes, hashes among it: nothing may be compared with an object that was not let in.

    Parameters
    ----------
    outcomes : iterable of FileOutcome
    reason_of : mapping
        SOPInstanceUID → why it is held. What was set aside before keeps its own reason.
    """
    return tuple(
        _aside(outcome, reason)
        if outcome.state in _LET_IN and (reason := reason_of.get(str(outcome.sop_uid))) is not None
        else outcome
        for outcome in outcomes
    )


def _aside(outcome: FileOutcome, reason: ReasonCode) -> FileOutcome:
    return replace(
        outcome,
        state=FileState.QUARANTINED,
        reason=reason,
        detail=None,
        output_sha256=None,
        pixel_sha256=None,
        features=None,
        facts=None,
    )
