"""Every delivered file ends in exactly one state, or the batch is not committed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from schemas.identifiers import Sha256, SopUid
from schemas.records import DeliveredFile, FileKind, FileOutcome
from schemas.states import FileState, ReasonCode
from tasks.receive.accounting import (
    AccountingError,
    count_states,
    require_all_accounted,
    settle_against_warehouse,
)


def delivered(number: int) -> DeliveredFile:
    sha256 = Sha256(f"{number:064d}")
    return DeliveredFile(number, f"f{number}", Path("x"), 1, sha256, FileKind.IMAGE)


def ended(number: int, state: FileState = FileState.ACCEPTED) -> FileOutcome:
    reason = ReasonCode.NOT_DICOM if state is FileState.QUARANTINED else None
    return FileOutcome(
        number,
        state,
        Sha256(f"{number:064d}"),
        1,
        reason,
        pixel_sha256=Sha256("a"),
        sop_uid=SopUid("2.25.1"),
    )


def test_states_are_counted_and_empty_states_are_named() -> None:
    counts = count_states([ended(1), ended(2, FileState.QUARANTINED)])
    assert counts == {
        "accepted": 1,
        "quarantined": 1,
        "duplicate": 0,
        "clinical": 0,
        "control": 0,
    }


@pytest.mark.parametrize(
    "outcomes",
    [
        [ended(1)],
        [ended(1), ended(2), ended(2)],
        [ended(1), ended(2), ended(3)],
        [ended(1), replace(ended(2), source_sha256=Sha256("0" * 64))],
        [ended(1), replace(ended(2), state=FileState.QUARANTINED)],
        [ended(1), replace(ended(2), reason=ReasonCode.NOT_DICOM)],
    ],
    ids=["lost", "twice", "unknown", "changed", "no reason", "reason but accepted"],
)
def test_sums_that_do_not_close_are_refused(outcomes: list[FileOutcome]) -> None:
    with pytest.raises(AccountingError):
        require_all_accounted([delivered(1), delivered(2)], outcomes)


def test_outcomes_come_back_in_file_order() -> None:
    outcomes = require_all_accounted([delivered(1), delivered(2)], [ended(2), ended(1)])
    assert [outcome.file_no for outcome in outcomes] == [1, 2]


def test_the_same_instance_of_an_earlier_batch_is_a_duplicate() -> None:
    (outcome,), held = settle_against_warehouse([ended(1)], {"2.25.1": "a"})
    assert (outcome.state, held) == (FileState.DUPLICATE, [])


def test_a_known_uid_with_other_pixels_holds_both() -> None:
    (outcome,), held = settle_against_warehouse([ended(1)], {"2.25.1": "b"})
    assert (outcome.state, outcome.reason) == (FileState.QUARANTINED, ReasonCode.UID_REUSED)
    assert held == ["2.25.1"]
