"""Diffusion as vendors write it: grids, enhanced pairs, directions beside an isotropic image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as SqItems
from pydicom.uid import generate_uid

from schemas.dicom.features import read_features
from schemas.dicom.frames import expand_frames
from schemas.records import VolumeRecord
from tests.builders import make_instance
from tests.oracle.compare import all_differences
from tests.unit.convert.conftest import Convert
from tests.unit.convert.enhanced import enhanced, item, uih_grid

Direction = tuple[float, float, float] | None
OBLIQUE = [0.8, 0.6, 0.0, -0.48, 0.64, 0.6]
DIRECTIONS: tuple[Direction, ...] = ((1.0, 0, 0), (0.6, 0.8, 0), (0, 0.6, -0.8))


def volume(number: int, n_slices: int, b_value: float | None, maker: str) -> list[Dataset]:
    """Return the slices of one oblique volume; numbers run on from volume to volume."""
    slices = []
    for k in range(n_slices):
        place = number * n_slices + k + 1
        data = make_instance(instance=place, modality="MR", Manufacturer=maker)
        normal = np.cross(OBLIQUE[:3], OBLIQUE[3:])
        data.ImagePositionPatient = [round(float(v), 6) for v in 4.2 * k * normal]
        data.ImageOrientationPatient = OBLIQUE
        data.AcquisitionNumber = number + 1
        data.SpacingBetweenSlices = 4.2
        data.ScanningSequence = "EP"
        data.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
        if b_value is not None:
            data.DiffusionBValue = b_value
        slices.append(data)
    return slices


def only(records: list[VolumeRecord]) -> VolumeRecord:
    assert len(records) == 1
    return records[0]


def written(tmp_path: Path, record: VolumeRecord) -> np.ndarray | None:
    path = tmp_path / "nifti" / f"{record.sub_stack_digest}.bvec"
    return np.loadtxt(path) if path.is_file() else None


def grids(n_slices: int) -> list[Dataset]:
    made = []
    for v, direction in enumerate((None, *DIRECTIONS)):
        grid = uih_grid(volume(v, n_slices, None, "UIH"), number=v + 1)
        block = grid.private_block(0x0065, "Image Private Header")
        block.add_new(0x09, "FD", 929.75 if direction else 1.25)
        block.add_new(0x37, "FD", list(direction or (0.0, 0.0, 0.0)))
        made.append(grid)
    return made


@pytest.mark.parametrize("n_slices", [2, 5, 6, 9, 10, 17, 20])
def test_a_grid_is_no_higher_than_it_must_be(
    convert: Convert, tmp_path: Path, n_slices: int
) -> None:
    record = only(convert(grids(n_slices)))
    assert (record.verdict, record.dim_z, record.n_volumes) == ("OK", n_slices, 4)
    directions = written(tmp_path, record)
    assert directions is not None
    assert np.allclose(np.linalg.norm(directions, axis=0), [0, 1, 1, 1], atol=1e-4)
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


def test_a_sheet_that_the_tiles_do_not_fill_is_held(convert: Convert) -> None:
    (grid, *_) = grids(20)
    grid.Columns -= 2
    grid.PixelData = grid.PixelData[: 2 * grid.Rows * grid.Columns]
    assert len(expand_frames(read_features(grid))) == 1
    assert only(convert([grid])).verdict == "QUARANTINE"


def test_tiles_in_another_layout_than_stated_are_held(convert: Convert) -> None:
    """A sheet with tiles column by column has the right size and the wrong places."""
    (grid, *_) = grids(20)
    sheet = np.frombuffer(grid.PixelData, "<u2").reshape(grid.Rows, grid.Columns)
    grid.Rows, grid.Columns = sheet.shape[1], sheet.shape[0]
    grid.PixelData = np.ascontiguousarray(sheet.T).tobytes()
    assert only(convert([grid])).verdict == "QUARANTINE"


def frames(
    b_values: tuple[float | None, ...], directions: tuple[Direction, ...], maker: str
) -> list[Dataset]:
    """Return one enhanced object a volume."""
    objects = []
    for v, (b_value, direction) in enumerate(zip(b_values, directions, strict=True)):
        data = enhanced(volume(v, 5, b_value, maker), number=v + 1)
        data.Manufacturer = maker
        for groups in data.PerFrameFunctionalGroupsSequence:
            if b_value is None:
                continue
            diffusion = groups.MRDiffusionSequence[0]
            diffusion.DiffusionDirectionality = "DIRECTIONAL" if direction else "NONE"
            if direction:
                macro, items = item(
                    "DiffusionGradientDirectionSequence",
                    DiffusionGradientOrientation=list(direction),
                )
                setattr(diffusion, macro, items)
        objects.append(data)
    return objects


@pytest.mark.parametrize("maker", ["SIEMENS", "CANON_MEC", "Philips Medical Systems"])
def test_objects_of_one_volume_each_are_one_series_with_directions(
    convert: Convert, tmp_path: Path, maker: str
) -> None:
    b_values = (0.0, 800.0, 800.0, 800.0)
    record = only(convert(frames(b_values, (None, *DIRECTIONS), maker)))
    assert (record.verdict, record.b_values) == ("OK", b_values)
    directions = written(tmp_path, record)
    assert directions is not None
    assert np.allclose(np.linalg.norm(directions, axis=0), [0, 1, 1, 1], atol=1e-4)
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


def test_one_object_of_all_volumes_gets_directions(convert: Convert, tmp_path: Path) -> None:
    parts = frames((0.0, 1500.0, 1500.0), (None, *DIRECTIONS[:2]), "CANON_MEC")
    whole = parts[0]
    for other in parts[1:]:
        whole.PerFrameFunctionalGroupsSequence.extend(other.PerFrameFunctionalGroupsSequence)
        whole.PixelData += other.PixelData
    whole.NumberOfFrames = len(whole.PerFrameFunctionalGroupsSequence)
    record = only(convert([whole]))
    assert (record.verdict, record.b_values) == ("OK", (0.0, 1500.0, 1500.0))
    directions = written(tmp_path, record)
    assert directions is not None
    assert np.linalg.norm(directions, axis=0) == pytest.approx([0, 1, 1], abs=1e-4)
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


def test_trace_images_get_no_file_of_zeros(convert: Convert, tmp_path: Path) -> None:
    record = only(convert(frames((0.0, 800.0), (None, None), "SIEMENS")))
    assert (record.verdict, record.b_values) == ("OK", (0.0, 800.0))
    assert written(tmp_path, record) is None


def test_an_unweighted_object_keeps_its_b_value(convert: Convert) -> None:
    (data,) = frames((0.0,), (None,), "SIEMENS")
    assert read_features(data).frame_b_values == (0.0,) * 5
    assert only(convert([data])).verdict == "OK"


def philips(with_isotropic: bool) -> list[Dataset]:
    volumes: list[tuple[float, str, Direction]] = [
        (0.0, "N", None),
        *((800.0, "O", direction) for direction in DIRECTIONS),
    ]
    if with_isotropic:
        volumes.append((800.0, "I", None))
    slices = []
    for v, (b_value, code, direction) in enumerate(volumes):
        for data in volume(v, 5, b_value, "Philips Medical Systems"):
            data.AcquisitionNumber = 1
            block = data.private_block(0x2001, "Philips Imaging DD 001", create=True)
            block.add_new(0x03, "FL", b_value)
            block.add_new(0x04, "CS", code)
            block = data.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
            for element, value in zip((0xB0, 0xB1, 0xB2), direction or (0, 0, 0), strict=True):
                block.add_new(element, "FL", value)
            slices.append(data)
    return slices


def test_directions_beside_the_isotropic_image_are_one_series(
    convert: Convert, tmp_path: Path
) -> None:
    record = only(convert(philips(with_isotropic=True)))
    assert (record.verdict, record.n_volumes) == ("OK", 5)
    assert record.b_values == (0.0, 800.0, 800.0, 800.0, 800.0)
    # A zero in the place of the isotropic image would read as b = 0.
    assert written(tmp_path, record) is None
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


def test_directions_alone_are_published(convert: Convert, tmp_path: Path) -> None:
    record = only(convert(philips(with_isotropic=False)))
    assert (record.verdict, record.n_volumes) == ("OK", 4)
    assert written(tmp_path, record) is not None
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


def test_directions_mixed_within_a_volume_are_held(convert: Convert) -> None:
    slices = philips(with_isotropic=False)
    slices[6].private_block(0x2005, "Philips MR Imaging DD 001")[0xB0].value = 0.0
    slices[6].private_block(0x2005, "Philips MR Imaging DD 001")[0xB2].value = 1.0
    assert only(convert(slices)).verdict == "QUARANTINE"


def test_classic_and_enhanced_copies_of_one_series_stay_apart(
    convert: Convert, tmp_path: Path
) -> None:
    classic = [*volume(0, 5, 0.0, "SIEMENS"), *volume(1, 5, 800.0, "SIEMENS")]
    copies = frames((0.0, 800.0), (None, None), "SIEMENS")
    for data in copies:
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    records = convert([*classic, *copies])
    assert [(r.verdict, r.n_volumes, r.b_values) for r in records] == [("OK", 2, (0.0, 800.0))] * 2
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


def test_items_of_a_grid_without_positions_are_held(convert: Convert) -> None:
    (grid, *_) = grids(6)
    block = grid.private_block(0x0065, "Image Private Header")
    block[0x51].value = SqItems(block[0x51].value[:-1])
    assert only(convert([grid])).verdict == "QUARANTINE"
