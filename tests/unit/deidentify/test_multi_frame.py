"""Enhanced objects: every frame keeps its geometry, physics and time, and loses its texts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydicom.dataset import Dataset

from schemas.states import ReasonCode
from tasks.deidentify.rules.values import read_date
from tests.builders import to_bytes
from tests.unit.deidentify.helpers import RING, SHIFT_DAYS, accepted, run, written
from tests.unit.deidentify.multi_frame import FRAME_DATE, make_enhanced


def frame(data: Dataset, number: int) -> Dataset:
    found: Dataset = data.PerFrameFunctionalGroupsSequence[number]
    return found


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_what_conversion_needs_of_each_frame_stays(modality: str) -> None:
    before = make_enhanced(modality=modality, b_values=2)
    after = written(before)
    assert after.PixelData == before.PixelData
    assert len(after.PerFrameFunctionalGroupsSequence) == before.NumberOfFrames == 6
    for number in range(6):
        one, two = frame(before, number), frame(after, number)
        assert two.PlanePositionSequence == one.PlanePositionSequence
        content = two.FrameContentSequence[0]
        assert content.DimensionIndexValues == one.FrameContentSequence[0].DimensionIndexValues
        if modality == "MR":
            assert two.MRDiffusionSequence == one.MRDiffusionSequence
    shared = after.SharedFunctionalGroupsSequence[0]
    assert (
        shared.PixelMeasuresSequence
        == before.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    )
    if modality == "MR":
        # COLUMN here, COL in classic objects (PS3.3 C.8.13.5.3, C.8.3.1).
        assert shared.MRFOVGeometrySequence[0].InPlanePhaseEncodingDirection == "COLUMN"
    pointers = [i.DimensionIndexPointer for i in after.DimensionIndexSequence]
    assert pointers == [0x00209056, 0x00209057, 0x00189087]


def test_texts_of_the_groups_are_gone_and_codes_are_enumerated() -> None:
    output = accepted(make_enhanced()).output
    assert b"Zhang" in to_bytes(make_enhanced())
    assert b"Zhang" not in output
    anatomy = frame(written(make_enhanced()), 0).FrameAnatomySequence[0]
    region = anatomy.AnatomicRegionSequence[0]
    assert (region.CodeValue, region.CodeMeaning) == ("T-62000", "Liver")


def test_dates_of_frames_move_by_the_persons_shift_and_are_checked() -> None:
    done = accepted(make_enhanced())
    content = frame(written(make_enhanced()), 1).FrameContentSequence[0]
    real = read_date(FRAME_DATE[:8])
    assert real is not None
    moved = f"{real - timedelta(days=SHIFT_DAYS):%Y%m%d}"
    assert str(content.FrameAcquisitionDateTime) == moved + FRAME_DATE[8:]
    assert {(a - b).days for a, b in done.days} == {SHIFT_DAYS}
    assert sum(a == real for a, _ in done.days) == 6


def test_references_of_frames_are_mapped_by_the_same_key() -> None:
    after = written(make_enhanced())
    reference = after.SharedFunctionalGroupsSequence[0].ReferencedImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == RING.uid("1.2.3.4")
    source = frame(after, 0).DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == RING.uid("1.2.3.5")
    organization = after.DimensionOrganizationSequence[0].DimensionOrganizationUID
    indices = after.DimensionIndexSequence
    assert {i.DimensionOrganizationUID for i in indices} == {organization} == {RING.uid("1.2.3.99")}


def test_private_attributes_of_frames_keep_their_blocks_and_contracts() -> None:
    inner = frame(written(make_enhanced()), 2)[0x2005, 0x100F].value[0]
    assert inner[0x2005, 0x100E].value == pytest.approx(0.0125)
    assert (0x2005, 0x1037) not in inner
    assert inner.ImagePositionPatient[2] == 5.0
    assert "OperatorsName" not in inner


def test_a_frame_without_its_group_is_held() -> None:
    data = make_enhanced()
    del data.PerFrameFunctionalGroupsSequence[1]
    assert run(data) is ReasonCode.UNPARSABLE


def test_a_frame_type_that_is_a_screen_is_held() -> None:
    data = make_enhanced()
    kind = Dataset()
    kind.FrameType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    frame(data, 0).MRImageFrameTypeSequence = [kind]
    assert run(data) is ReasonCode.SECONDARY_OR_DERIVED
