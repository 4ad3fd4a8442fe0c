"""What a person decided about pixels: let in, masked or kept aside, and proven on what is written.

The oracle is pydicom reading source and result; it shares no code with the masking.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from schemas.dicom.pixel_digests import pixel_content
from schemas.identifiers import Sha256
from schemas.pixel_decisions import Box, Outcome, PixelDecision, PixelDecisions, Question
from schemas.states import FileState, ReasonCode
from schemas.vault.pixel_digests import keyed_pixel_digest
from tasks.deidentify.packed import Trail
from tasks.deidentify.store import deidentify_batch
from tests.builders import make_instance, to_bytes, write_files
from tests.jpeg_2000 import in_jpeg_2000
from tests.unit.deidentify.helpers import RING, assignment, deliver, linkage

LINKS = linkage(assignment("LC-001", "PID000001"))
BOX = Box(x=2, y=1, width=3, height=2)


def pixels_of(data: Dataset | bytes) -> np.ndarray:
    raw = data if isinstance(data, bytes) else to_bytes(data)
    return dcmread(BytesIO(raw)).pixel_array


def decision(
    data: Dataset,
    outcome: Outcome,
    *boxes: Box,
    held_for: ReasonCode = ReasonCode.TEXT_IN_PIXELS,
) -> PixelDecision:
    digest = keyed_pixel_digest(RING, pixel_content(pixels_of(data)))
    return PixelDecision(
        decision_id=f"{outcome}1",
        site="S91",
        hold_id="0" * 16,
        held_for=held_for,
        outcome=outcome,
        digests=(Sha256(digest),),
        boxes=boxes,
        reviewer="QC01",
        reason="looked at",
        decided_on=dt.date(2026, 11, 20),
    )


class Run:
    """One delivery taken in with decisions in force."""

    def __init__(self, folder: Path, data: list[Dataset], *decisions: PixelDecision) -> None:
        files = deliver(write_files(folder / "in", data))
        known = PixelDecisions(decisions)
        self.batch = deidentify_batch(files, LINKS, RING, folder / "out", 1, known)
        self.out = folder / "out"

    @property
    def states(self) -> list[tuple[FileState, ReasonCode | None]]:
        return [(o.state, o.reason) for o in self.batch.outcomes]

    def written(self) -> Dataset:
        (path,) = self.out.rglob("*.dcm")
        return dcmread(path)


def codes(data: Dataset) -> set[str]:
    return {item.CodeValue for item in data.DeidentificationMethodCodeSequence}


def as_encoded(kind: str) -> Dataset:
    """One instance whose pixels are stored in this way."""
    data = make_instance(modality="MR" if kind != "signed" else "CT")
    if kind == "implicit":
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    elif kind == "big endian":
        data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        data.PixelData = np.frombuffer(data.PixelData, "<u2").byteswap().tobytes()
        data["PixelData"].VR = "OW"
    elif kind == "signed":
        values = np.frombuffer(data.PixelData, "<u2").astype(np.int32) - 500
        data.PixelRepresentation = 1
        data.PixelData = values.astype("<i2").tobytes()
    elif kind == "rle":
        data.compress(RLELossless, generate_instance_uid=False)
    elif kind == "jpeg-ls":
        data.compress(JPEGLSLossless, generate_instance_uid=False)
    elif kind == "jpeg 2000":
        in_jpeg_2000(data)
    return data


def trail_of_first(run: Run) -> Trail:
    place: int = run.batch.files["trail"][0].as_py()
    return run.batch.kinds[place]


KINDS = ("plain", "implicit", "big endian", "signed", "rle", "jpeg-ls", "jpeg 2000")


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_changes_the_box_and_nothing_else(tmp_path: Path, kind: str) -> None:
    data = as_encoded(kind)
    run = Run(tmp_path, [data], decision(data, Outcome.MASK, BOX))
    after, before = run.written().pixel_array, pixels_of(data)
    inside = np.zeros(before.shape, bool)
    inside[1:3, 2:5] = True
    assert (after[~inside] == before[~inside]).all()
    least = -(1 << run.written().BitsStored - 1) if kind == "signed" else 0
    assert (after[inside] == least).all()
    assert (before[inside] != least).any()


def test_a_stated_padding_value_fills_the_mask(tmp_path: Path) -> None:
    data = make_instance(modality="MR")
    data.PixelPaddingValue = 77
    run = Run(tmp_path, [data], decision(data, Outcome.MASK, BOX))
    assert (run.written().pixel_array[1:3, 2:5] == 77).all()


def test_a_masked_object_and_its_audit_say_so(tmp_path: Path) -> None:
    data = make_instance(BurnedInAnnotation="YES", SmallestImagePixelValue=5)
    run = Run(
        tmp_path,
        [data],
        decision(data, Outcome.MASK, BOX, held_for=ReasonCode.BURNED_IN_ANNOTATION),
    )
    after = run.written()
    assert "113101" in codes(after)
    assert after.BurnedInAnnotation == "NO"
    assert "SmallestImagePixelValue" not in after
    assert "pixels" in trail_of_first(run).options
    assert "7FE00010:masked:mask1" in trail_of_first(run).steps
    assert run.batch.settled == {}


def test_only_what_was_masked_twice_is_not_looked_at_once_more(tmp_path: Path) -> None:
    data = make_instance(modality="MR")
    first = decision(data, Outcome.MASK, BOX)
    rule = replace(first, decision_id="rule2", by_rule="r")
    second = replace(first, decision_id="mask2", boxes=(BOX, Box(x=0, y=6, width=2, height=1)))
    runs = {
        name: Run(tmp_path / name, [data], *made)
        for name, made in {
            "once": (first,),
            "by a rule": (first, rule),
            "twice": (first, second),
        }.items()
    }
    uid = str(runs["twice"].written().SOPInstanceUID)
    assert {name: dict(run.batch.settled) for name, run in runs.items()} == {
        "once": {},
        "by a rule": {},
        "twice": {uid: (Question.TEXT,)},
    }


def test_an_accepted_picture_is_settled(tmp_path: Path) -> None:
    data = make_instance()
    run = Run(tmp_path, [data], decision(data, Outcome.ACCEPT))
    assert list(run.batch.settled.values()) == [(Question.TEXT,)]


def test_an_accepted_picture_goes_in_as_it_was_and_no_code_says_it_was_cleaned(
    tmp_path: Path,
) -> None:
    data = make_instance(BurnedInAnnotation="YES")
    held = ReasonCode.BURNED_IN_ANNOTATION
    assert Run(tmp_path / "before", [data]).states == [(FileState.QUARANTINED, held)]
    run = Run(tmp_path / "after", [data], decision(data, Outcome.ACCEPT, held_for=held))
    after = run.written()
    assert after.PixelData == data.PixelData
    assert "113101" not in codes(after)
    assert "BurnedInAnnotation" not in after
    assert "7FE00010:accepted:accept1" in trail_of_first(run).steps


def test_the_same_picture_in_another_file_is_not_asked_about_again(tmp_path: Path) -> None:
    first = make_instance(BurnedInAnnotation="YES")
    again = make_instance(BurnedInAnnotation="YES", instance=9, SeriesDescription="sent again")
    again.PixelData = first.PixelData
    again.compress(RLELossless, generate_instance_uid=False)
    held = ReasonCode.BURNED_IN_ANNOTATION
    run = Run(tmp_path, [again], decision(first, Outcome.ACCEPT, held_for=held))
    assert run.states == [(FileState.ACCEPTED, None)]


def test_a_rejected_picture_stays_aside_whatever_its_header_says(tmp_path: Path) -> None:
    data = make_instance()
    run = Run(tmp_path, [data], decision(data, Outcome.REJECT))
    assert run.states == [(FileState.QUARANTINED, ReasonCode.TEXT_IN_PIXELS)]
    assert run.batch.outcomes[0].detail == "rejected by a person"


def test_the_answer_about_a_face_lets_no_text_in(tmp_path: Path) -> None:
    data = make_instance(BurnedInAnnotation="YES")
    run = Run(tmp_path, [data], decision(data, Outcome.ACCEPT, held_for=ReasonCode.FACE_IN_VIEW))
    assert run.states == [(FileState.QUARANTINED, ReasonCode.BURNED_IN_ANNOTATION)]


def test_masks_of_two_questions_are_both_applied(tmp_path: Path) -> None:
    data = make_instance(modality="MR")
    other = Box(x=0, y=5, width=2, height=1)
    run = Run(
        tmp_path,
        [data],
        decision(data, Outcome.MASK, BOX),
        decision(data, Outcome.MASK, other, held_for=ReasonCode.FACE_IN_VIEW),
    )
    after = run.written().pixel_array
    assert not after[1:3, 2:5].any()
    assert not after[5, 0:2].any()


def test_a_box_outside_the_picture_holds_the_file(tmp_path: Path) -> None:
    data = make_instance()
    far = Box(x=0, y=0, width=data.Columns + 1, height=1)
    run = Run(tmp_path, [data], decision(data, Outcome.MASK, far))
    assert run.states == [(FileState.QUARANTINED, ReasonCode.STAGE_FAILED)]


def test_a_capture_by_its_class_is_let_in_by_nobody(tmp_path: Path) -> None:
    data = make_instance(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    held = ReasonCode.SECONDARY_OR_DERIVED
    run = Run(tmp_path, [data], decision(data, Outcome.ACCEPT, held_for=held))
    assert run.states == [(FileState.QUARANTINED, held)]


def test_a_decision_about_other_pixels_changes_no_byte(tmp_path: Path) -> None:
    data, other = make_instance(), make_instance(instance=5)
    plain = Run(tmp_path / "plain", [data])
    run = Run(tmp_path / "decided", [data], decision(other, Outcome.MASK, BOX))
    assert run.batch.outcomes == plain.batch.outcomes
