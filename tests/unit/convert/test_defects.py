"""Each defect that dcm2niix passes over in silence is named, and nothing else is lost."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from schemas.records import VolumeRecord
from tasks.convert.counts import StatedCounts
from tests.builders import SPACING_MM, make_instance, make_series
from tests.unit.convert.conftest import Convert


def uid_of(slices: list[Dataset], instance: int) -> str:
    return next(str(s.SOPInstanceUID) for s in slices if s.InstanceNumber == instance)


def only(records: list[VolumeRecord]) -> VolumeRecord:
    assert len(records) == 1
    return records[0]


def published(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.nii.gz"))


def make_phase(number: int, instances: range, **elements: Any) -> list[Dataset]:
    """Return one contrast phase: same positions, other UIDs, instance numbers run on."""
    slices = []
    for n in instances:
        data = make_instance(instance=n, AcquisitionNumber=number, **elements)
        data.SOPInstanceUID += f".{number}"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.InstanceNumber = 100 * number + n
        data.PixelData = make_instance(instance=n + 50 * number).PixelData
        slices.append(data)
    return slices


def test_a_clean_series_is_published_proven(convert: Convert, tmp_path: Path) -> None:
    record = only(convert(make_series(n_slices=8)))
    assert (record.verdict, record.codes, record.round_trip_ok) == ("OK", (), True)
    assert published(tmp_path / "nifti") == [f"{record.sub_stack_digest}.nii.gz"]
    assert record.voxel_z_mm == pytest.approx(SPACING_MM)


def test_a_missing_slice_is_named_by_its_neighbours(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=8, missing_slice=4)
    record = only(convert(slices))
    assert (record.verdict, record.codes) == ("QUARANTINE", ("MISSING_SLICE",))
    assert set(record.instances_at_fault) == {uid_of(slices, 3), uid_of(slices, 5)}
    assert published(tmp_path) == []


def test_a_missing_first_slice_is_seen_by_the_manifest(convert: Convert) -> None:
    record = only(
        convert(make_series(n_slices=8, missing_slice=1), stated=StatedCounts(n_instances=8))
    )
    assert record.codes == ("COUNT_VS_MANIFEST",)


def test_an_empty_file_takes_only_its_own_sub_stack(convert: Convert) -> None:
    slices = make_series(n_slices=6) + make_series(n_slices=6, series=1, EchoTime=9.0)
    for data in slices[6:]:
        data.SOPInstanceUID += ".9"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    spoiled, whole = sorted(convert(slices, spoil={2: lambda _: b""}), key=lambda r: r.verdict)[
        ::-1
    ]
    assert (spoiled.codes, spoiled.instances_at_fault) == (
        ("UNREADABLE",),
        (uid_of(slices[:6], 3),),
    )
    assert (whole.verdict, whole.round_trip_ok) == ("OK", True)


def test_a_file_without_pixels_is_named(convert: Convert) -> None:
    slices = make_series(n_slices=6)
    del slices[2].PixelData
    record = only(convert(slices))
    assert record.codes == ("NO_PIXEL_DATA",)
    assert record.instances_at_fault == (uid_of(slices, 3),)


@pytest.mark.parametrize("lost_bytes", [1, 100, 639])
def test_a_truncated_file_is_named(convert: Convert, lost_bytes: int) -> None:
    slices = make_series(n_slices=6)
    record = only(convert(slices, spoil={2: lambda raw: raw[:-lost_bytes]}))
    assert record.codes == ("TRUNCATED",)
    assert record.instances_at_fault == (uid_of(slices, 3),)


def test_a_duplicated_position_is_named(convert: Convert) -> None:
    slices = make_series(n_slices=8, duplicated_slice=4)
    record = only(convert(slices))
    assert record.codes == ("DUPLICATE_POSITION",)
    assert set(record.instances_at_fault) == {
        str(s.SOPInstanceUID) for s in slices if s.InstanceNumber == 4
    }


def test_two_complete_phases_are_two_volumes(convert: Convert, tmp_path: Path) -> None:
    records = convert(make_phase(1, range(1, 9)) + make_phase(2, range(1, 9)))
    assert [r.verdict for r in records] == ["OK", "OK"]
    assert {r.split_by for r in records} == {("acquisition_number",)}
    assert len(published(tmp_path / "nifti")) == 2
    assert {r.n_volumes for r in records} == {1}


@pytest.mark.parametrize("kept", [range(1, 7), range(3, 9)], ids=["end short", "start short"])
def test_the_shorter_of_two_phases_is_set_aside_alone(convert: Convert, kept: range) -> None:
    records = convert(make_phase(1, range(1, 9)) + make_phase(2, kept))
    by_size = {r.n_instances: r for r in records}
    assert (by_size[8].verdict, by_size[8].codes) == ("OK", ())
    assert by_size[6].codes == ("UNEQUAL_PHASES",)


def test_phases_that_nothing_tells_apart_but_repetition_are_both_held_when_unequal(
    convert: Convert,
) -> None:
    second = make_phase(1, range(3, 9))
    for data in second:
        data.SOPInstanceUID += ".2"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.InstanceNumber += 100
    records = convert(make_phase(1, range(1, 9)) + second)
    assert [r.codes for r in records] == [("UNEQUAL_PHASES",)] * 2


def test_jitter_of_positions_gives_the_fitted_spacing(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=40)
    for i, data in enumerate(slices):
        z = SPACING_MM * data.InstanceNumber + (0.04 if i == 1 else 0.0)
        data.ImagePositionPatient = [-25.0, -20.0, z]
    record = only(convert(slices))
    assert (record.verdict, record.codes) == ("REPAIRABLE", ("AFFINE_REFITTED",))
    image: Any = nibabel.load(tmp_path / "nifti" / str(record.file_name))
    assert image.header.get_zooms()[2] == pytest.approx(SPACING_MM, abs=1e-3)
    assert np.allclose(image.get_qform(), image.get_sform(), atol=1e-4)


def test_a_localizer_in_the_series_is_split_off(convert: Convert) -> None:
    slices = make_series(n_slices=8)
    localizer = make_instance(instance=99, ImageOrientationPatient=[1.0, 0.0, 0.0, 0.0, 0.0, -1.0])
    records = {r.n_instances: r for r in convert([*slices, localizer])}
    assert (records[8].verdict, records[8].codes) == ("OK", ())
    assert (records[1].verdict, records[1].codes) == ("OK", ("SINGLE_SLICE",))


def test_orientations_that_alternate_by_one_degree_are_named(convert: Convert) -> None:
    slices = make_series(n_slices=8)
    turned = [1.0, 0.0, 0.0, 0.0, math.cos(math.radians(1)), math.sin(math.radians(1))]
    for data in slices[::2]:
        data.ImageOrientationPatient = turned
    records = convert(slices)
    assert {r.codes for r in records} == {("MIXED_ORIENTATION",)}
    assert sum(r.n_instances for r in records) == 8


@pytest.mark.parametrize("absent", ["ImagePositionPatient", "ImageOrientationPatient"])
def test_no_geometry_is_never_made_up(convert: Convert, absent: str, tmp_path: Path) -> None:
    record = only(convert(make_series(n_slices=8, **{absent: None})))
    assert (record.verdict, record.codes) == ("QUARANTINE", ("NO_GEOMETRY",))
    assert published(tmp_path) == []


def test_one_slice_without_geometry_leaves_a_gap_that_is_named(convert: Convert) -> None:
    slices = make_series(n_slices=8)
    del slices[3].ImagePositionPatient
    records = {r.n_instances: r.codes for r in convert(slices)}
    assert records == {1: ("NO_GEOMETRY",), 7: ("MISSING_SLICE",)}


def test_a_tilted_gantry_is_named(convert: Convert) -> None:
    slices = make_series(n_slices=8)
    for data in slices:
        z = SPACING_MM * data.InstanceNumber
        tilt = math.tan(math.radians(18.5))
        data.ImagePositionPatient = [-25.0, -20.0 + z * tilt, z]
    assert only(convert(slices)).codes == ("GANTRY_TILT",)


def test_variable_spacing_is_named(convert: Convert) -> None:
    slices = make_series(n_slices=8)
    for data in slices[5:]:
        z = SPACING_MM * 5 + 4.0 * (data.InstanceNumber - 5)
        data.ImagePositionPatient = [-25.0, -20.0, z]
    assert only(convert(slices)).codes == ("UNEVEN_SPACING",)


def test_a_slice_shifted_in_its_plane_is_named(convert: Convert) -> None:
    slices = make_series(n_slices=20)
    slices[7].ImagePositionPatient = [-23.0, -20.0, SPACING_MM * 8]
    record = only(convert(slices))
    assert "SHIFTED_SLICE" in record.codes
    assert uid_of(slices, 8) in record.instances_at_fault


def test_a_codestream_that_is_none_is_named(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=6)
    slices[2].file_meta.TransferSyntaxUID = JPEG2000Lossless
    slices[2].PixelData = encapsulate([b"\xff\x4f\xff\x51not a picture\xff\xd9"])
    slices[2]["PixelData"].is_undefined_length = True
    record = only(convert(slices))
    assert "UNDECODABLE" in record.codes
    assert record.instances_at_fault == (uid_of(slices, 3),)
    assert published(tmp_path) == []


def test_colour_pixels_are_not_taken_for_a_volume(convert: Convert) -> None:
    slices = make_series(n_slices=4)
    for data in slices:
        data.SamplesPerPixel, data.PhotometricInterpretation = 3, "RGB"
        data.PlanarConfiguration = 0
        data.PixelData = data.PixelData * 3
    assert only(convert(slices)).codes == ("UNSUPPORTED_PIXEL_FORMAT",)


def test_a_slice_of_another_pixel_format_is_named(convert: Convert) -> None:
    slices = make_series(n_slices=6)
    slices[1].PixelRepresentation = 1
    record = only(convert(slices))
    assert record.codes == ("MIXED_PIXEL_FORMAT",)
    assert record.instances_at_fault == (uid_of(slices, 2),)


def test_table_stations_of_one_helical_scan_stay_one_volume(convert: Convert) -> None:
    slices = make_series(n_slices=12)
    for data in slices:
        data.AcquisitionNumber = 1 + data.InstanceNumber // 5
    record = only(convert(slices))
    assert (record.verdict, record.n_instances) == ("OK", 12)
