"""A first or last slice that is missing leaves no trace but a count somebody stated."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from schemas.dicom.features import read_features
from schemas.dicom.sub_stacks import split_series
from tasks.convert.codes import Code
from tasks.convert.counts import StatedCounts, check_counts, counts_from_manifest
from tasks.convert.plan import plan_series
from tasks.convert.source import PixelFacts
from tests.builders import make_series
from tests.unit.convert.conftest import Convert


def codes(slices: list[Dataset], stated: StatedCounts | None = None) -> list[set[Code]]:
    """Return the codes of each part of one series whose pixels are all well."""
    stacks = split_series([read_features(data) for data in slices])
    facts = {str(d.SOPInstanceUID): PixelFacts(sop_uid=str(d.SOPInstanceUID)) for d in slices}
    plans = plan_series(stacks, facts, stated=stated or StatedCounts())
    return [{fault.code for fault in plan.faults} for plan in plans]


@pytest.mark.parametrize("missing", [1, 8])
def test_a_file_of_the_manifest_that_did_not_arrive_holds_its_series(missing: int) -> None:
    slices = make_series(n_slices=8, missing_slice=missing)
    assert codes(slices, StatedCounts(n_absent=1)) == [{Code.COUNT_VS_MANIFEST}]


@pytest.mark.parametrize("keyword", ["ImagesInAcquisition", "NumberOfSeriesRelatedInstances"])
def test_fewer_instances_than_their_headers_state_are_held(convert: Convert, keyword: str) -> None:
    slices = make_series(n_slices=8, missing_slice=8, **{keyword: 8})
    (record,) = convert(slices)
    assert (record.verdict, record.codes) == ("QUARANTINE", ("COUNT_VS_HEADER",))
    assert record.file_name is None


def test_as_many_instances_as_headers_state_are_well() -> None:
    assert codes(make_series(n_slices=8, ImagesInAcquisition=8)) == [set()]


def test_a_count_of_one_time_point_says_nothing_of_all() -> None:
    assert codes(make_series(n_slices=8, ImagesInAcquisition=4)) == [set()]


def test_derived_images_may_have_copied_the_count_of_their_source() -> None:
    derived = make_series(n_slices=8, ImagesInAcquisition=40, ImageType=["DERIVED", "PRIMARY"])
    assert codes(derived) == [set()]


def test_a_first_number_above_one_is_remarked_and_published(convert: Convert) -> None:
    slices = make_series(n_slices=8, missing_slice=1)
    (record,) = convert(slices)
    assert (record.verdict, record.codes) == ("OK", ("INSTANCE_NUMBERS_INCOMPLETE",))
    assert record.instances_at_fault == (str(slices[0].SOPInstanceUID),)
    assert record.file_name is not None


def test_phases_that_take_turns_in_their_numbers_are_complete() -> None:
    slices = make_series(n_slices=6) + make_series(n_slices=6, AcquisitionNumber=2)
    for place, data in enumerate(sorted(slices, key=lambda d: float(d.ImagePositionPatient[2]))):
        data.InstanceNumber = place + 1
        data.SOPInstanceUID += f".{place}"
    assert codes(slices) == [set(), set()]


def test_only_the_folder_of_one_series_tells_whose_file_is_absent() -> None:
    arrived = {"dicom/a/1": "1.1", "dicom/a/2": "1.1", "dicom/b/1": "1.2", "dicom/b/2": "1.3"}
    absent = ["dicom/a/3", "dicom/b/3", "dicom/c/1"]
    assert counts_from_manifest(absent, {**arrived, "dicom/a/4": None}) == {
        "1.1": StatedCounts(n_absent=1),
        "1.2": StatedCounts(absent_beside=True),
        "1.3": StatedCounts(absent_beside=True),
    }


def test_a_file_absent_from_a_shared_folder_is_remarked() -> None:
    slices = make_series(n_slices=6)
    assert codes(slices, StatedCounts(absent_beside=True)) == [{Code.FILES_ABSENT_BESIDE}]


def test_a_part_that_shows_a_loss_answers_for_the_count_alone() -> None:
    whole = make_series(n_slices=8)
    short = make_series(n_slices=8, missing_slice=4, EchoTime=9.0)
    for data in short:
        data.SOPInstanceUID += ".1"
    found = codes([*whole, *short], StatedCounts(n_instances=16))
    assert sorted(found, key=len) == [set(), {Code.MISSING_SLICE, Code.COUNT_VS_MANIFEST}]
    assert check_counts([], StatedCounts(n_instances=1)) == []
