"""Every delivered file ends in exactly one state, or the batch is not committed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import Sha256, SopUid
from schemas.records import DeliveredFile, FileKind, FileOutcome
from schemas.states import FileState, ReasonCode
from tasks.receive.accounting import (
    AccountingError,
    KnownInstance,
    count_states,
    hold_what_two_subjects_share,
    require_all_accounted,
    settle_against_warehouse,
)


def delivered(number: int) -> DeliveredFile:
    sha256 = Sha256(f"{number:064d}")
    return DeliveredFile(number, f"f{number}", "x", 1, sha256, FileKind.IMAGE)


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


def test_duplicates_inside_the_batch_follow_what_they_are_duplicates_of() -> None:
    """Of a UID that is held nothing counts as taken in; of one that came before all came again."""
    again = replace(ended(2, FileState.DUPLICATE), reason=None)
    settled, _ = settle_against_warehouse([ended(1), again], {"2.25.1": "b"})
    assert {(one.state, one.reason) for one in settled} == {
        (FileState.QUARANTINED, ReasonCode.UID_REUSED)
    }
    settled, _ = settle_against_warehouse([ended(1), again], {"2.25.1": "a"})
    assert {one.state for one in settled} == {FileState.DUPLICATE}


def test_a_duplicate_states_no_hash_of_an_object_that_is_not_kept() -> None:
    written = replace(ended(1), output_sha256=Sha256("e"))
    (outcome,), _ = settle_against_warehouse([written], {"2.25.1": "a"})
    assert outcome.output_sha256 is None


def image(number: int, study: str, subject: str) -> FileOutcome:
    sop_uid = SopUid(f"2.25.{number}")
    features = InstanceFeatures(
        subject_id=subject,
        study_uid=study,
        series_uid=f"{study}.1",
        sop_uid=sop_uid,
        sop_class_uid=None,
    )
    return replace(ended(number), sop_uid=sop_uid, features=features)


def test_a_study_of_two_subjects_is_held_whole_and_other_studies_are_not() -> None:
    outcomes = [image(1, "1.1", "A"), image(2, "1.1", "A"), image(3, "1.1", "B")]
    again = replace(image(1, "1.1", "A"), file_no=4, state=FileState.DUPLICATE, features=None)
    settled, held = hold_what_two_subjects_share([*outcomes, again, image(5, "1.2", "B")], [])
    reason = ReasonCode.STUDY_OF_TWO_SUBJECTS
    assert [outcome.reason for outcome in settled] == [reason] * 4 + [None]
    assert [outcome.features is None for outcome in settled] == [True] * 4 + [False]
    assert held == {}


def test_a_study_that_an_earlier_night_brought_of_another_subject_is_held_on_both_sides() -> None:
    known = [
        KnownInstance("2.25.8", "1.1", "1.1.1", "A"),
        KnownInstance("2.25.9", "1.2", "1.2.1", "A"),
    ]
    (outcome,), held = hold_what_two_subjects_share([image(1, "1.1", "B")], known)
    assert outcome.reason is ReasonCode.STUDY_OF_TWO_SUBJECTS
    assert held == {"2.25.8": ReasonCode.STUDY_OF_TWO_SUBJECTS}


def test_one_series_uid_of_two_subjects_is_held_on_both_sides_though_their_studies_differ() -> None:
    one, other, apart = image(1, "1.1", "A"), image(2, "1.2", "B"), image(3, "1.3", "B")
    assert other.features is not None
    shared = replace(other, features=replace(other.features, series_uid="1.1.1"))
    settled, held = hold_what_two_subjects_share([one, shared, apart], [])
    reason = ReasonCode.SERIES_OF_TWO_SUBJECTS
    assert [outcome.reason for outcome in settled] == [reason, reason, None]
    (late,), held = hold_what_two_subjects_share(
        [shared], [KnownInstance("2.25.1", "1.1", "1.1.1", "A")]
    )
    assert (late.reason, held) == (reason, {"2.25.1": reason})


def test_new_images_of_a_series_that_name_two_studies_are_held_and_earlier_ones_stay() -> None:
    one, other = image(1, "1.1", "A"), image(2, "1.2", "A")
    assert other.features is not None
    divided = replace(other, features=replace(other.features, series_uid="1.1.1"))
    settled, held = hold_what_two_subjects_share([one, divided, image(3, "1.3", "A")], [])
    reason = ReasonCode.SERIES_OF_TWO_STUDIES
    assert [outcome.reason for outcome in settled] == [reason, reason, None]
    (late,), held = hold_what_two_subjects_share(
        [divided], [KnownInstance("2.25.1", "1.1", "1.1.1", "A")]
    )
    assert (late.reason, held) == (reason, {})


def test_an_image_that_comes_again_under_a_merged_study_is_only_a_duplicate() -> None:
    again = image(1, "1.2", "A")
    assert again.features is not None
    moved = replace(again, features=replace(again.features, series_uid="1.1.1"))
    known = [KnownInstance("2.25.1", "1.1", "1.1.1", "A")]
    (outcome,), held = hold_what_two_subjects_share([moved], known)
    assert (outcome.state, held) == (FileState.ACCEPTED, {})


def test_the_same_image_under_another_subject_is_no_duplicate() -> None:
    known = [KnownInstance("2.25.1", "1.1", "1.1.1", "A")]
    (outcome,), held = hold_what_two_subjects_share([image(1, "1.1", "B")], known)
    assert outcome.state is FileState.QUARANTINED
    assert held == {"2.25.1": ReasonCode.STUDY_OF_TWO_SUBJECTS}


def test_more_images_of_one_subject_in_a_known_study_are_welcome() -> None:
    known = [KnownInstance("2.25.8", "1.1", "1.1.1", "A")]
    (outcome,), held = hold_what_two_subjects_share([image(1, "1.1", "A")], known)
    assert (outcome.state, held) == (FileState.ACCEPTED, {})


def test_files_set_aside_before_keep_their_reason() -> None:
    strange = ended(7, FileState.QUARANTINED)
    settled, _ = hold_what_two_subjects_share(
        [strange, image(1, "1.1", "A"), image(2, "1.1", "B")], []
    )
    assert settled[0] == strange
