"""Of what is set aside nothing stays that only an accepted file has, wherever it was found."""

from __future__ import annotations

from dataclasses import fields, replace

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import Sha256, SopUid
from schemas.records import FileOutcome
from schemas.set_aside import set_aside
from schemas.states import FileState, ReasonCode

HELD = {"9.1": ReasonCode.TEXT_IN_PIXELS}
ACCEPTED = FileOutcome(
    file_no=1,
    state=FileState.ACCEPTED,
    source_sha256=Sha256("a"),
    size_bytes=1,
    detail="lost a value",
    output_sha256=Sha256("b"),
    pixel_sha256=Sha256("c"),
    sop_uid=SopUid("9.1"),
    study_uid="7",
    subject_id="S91-AAAA2222",
    features=InstanceFeatures(
        subject_id="S91-AAAA2222",
        study_uid="7",
        series_uid="8",
        sop_uid="9.1",
        sop_class_uid=None,
    ),
    facts=DeliveredFacts(sop_uid="9.1"),
)
DUPLICATE = replace(ACCEPTED, file_no=2, state=FileState.DUPLICATE, features=None, facts=None)


def test_what_names_the_file_stays_and_all_else_goes() -> None:
    """A field that is added must be put on one of the two sides."""
    (aside,) = set_aside([ACCEPTED], HELD)
    stays = {"file_no", "source_sha256", "size_bytes", "sop_uid", "study_uid", "subject_id"}
    for name in {one.name for one in fields(FileOutcome)} - {"state", "reason"}:
        before = getattr(ACCEPTED, name)
        assert before is not None
        assert getattr(aside, name) == (before if name in stays else None), name
    assert (aside.state, aside.reason) == (FileState.QUARANTINED, ReasonCode.TEXT_IN_PIXELS)


def test_duplicates_of_a_held_image_are_set_aside_with_it() -> None:
    states = [one.state for one in set_aside([ACCEPTED, DUPLICATE], HELD)]
    assert states == [FileState.QUARANTINED, FileState.QUARANTINED]


def test_what_is_not_named_or_was_never_let_in_is_left_as_it_is() -> None:
    other = replace(ACCEPTED, sop_uid=SopUid("9.2"))
    before = replace(ACCEPTED, state=FileState.QUARANTINED, reason=ReasonCode.UID_REUSED)
    form = FileOutcome(5, FileState.CLINICAL, Sha256("d"), 1)
    assert set_aside([other, before, form], HELD) == (other, before, form)
