"""A rehearsal holds what a night would: series with text, as files of theirs."""

from __future__ import annotations

from pathlib import Path

from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import Sha256
from schemas.records import FileOutcome
from schemas.states import FileState, ReasonCode
from schemas.vault.keys import KeyRing
from tasks.inspect.store_rehearse import rehearse_inspection
from tests.unit.inspect.pictures import CORNER, body, write_file, written


def test_a_rehearsal_holds_the_series_with_a_name_and_its_duplicates_alone(tmp_path: Path) -> None:
    outcomes = []
    for number, (series, named) in enumerate([("8", True), ("9", False)], start=1):
        uid = f"{series}.1"
        image = body(number)
        path = tmp_path / series / f"{uid}.dcm"
        write_file(path, written(image, CORNER) if named else image, uid)
        features = InstanceFeatures(
            subject_id="S91-A", study_uid="1", series_uid=series, sop_uid=uid, sop_class_uid="1.2",
            modality="CT", bits_allocated=16, image_type=("ORIGINAL", "PRIMARY"),
        )  # fmt: skip
        digest = Sha256(f"{number}")
        outcomes.append(
            FileOutcome(number, FileState.ACCEPTED, digest, 1, sop_uid=uid, features=features)  # type: ignore[arg-type]
        )
    outcomes.append(FileOutcome(3, FileState.DUPLICATE, Sha256("3"), 1, sop_uid="8.1"))  # type: ignore[arg-type]
    found = rehearse_inspection(
        outcomes, tmp_path, KeyRing(b"k" * 32), settled={}, words={}, warehouse=None, workers=1
    )  # fmt: skip
    text = ReasonCode.TEXT_IN_PIXELS
    assert [one.reason for one in found] == [text, None, text]
    assert found[1].state is FileState.ACCEPTED
