"""Volumes at the same positions: split by what differs, or set aside; never a guess."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset

from schemas.records import VolumeRecord
from tasks.convert.store_folder import convert_folder
from tests.builders import COLUMNS, ROWS, make_instance, make_series, make_uid, write_files
from tests.oracle.compare import all_differences
from tests.unit.convert.conftest import Convert

N = 8
#: Instance number of slice i (from 0) of volume v (0 or 1).
Number = Callable[[int, int], int | None]


def in_blocks(i: int, v: int) -> int:
    return N * v + i + 1


def in_turn(i: int, v: int) -> int:
    return 2 * i + v + 1


def in_turn_either_way(i: int, v: int) -> int:
    """Both volumes come first in turn: numbers alone say another assignment."""
    return 2 * i + 1 + (v + i) % 2


def alike(i: int, _v: int) -> int:
    return i + 1


def in_halves(i: int, v: int) -> int:
    """Half of each volume, then the other half: neither in blocks nor in turn."""
    half = N // 2
    return 2 * half * (i // half) + half * v + i % half + 1


def absent(_i: int, _v: int) -> None:
    return None


def two_volumes(
    number: Number, modality: str = "MR", **differing: tuple[Any, Any]
) -> list[Dataset]:
    """Return two volumes at the same positions; all pixels of the second are 2000 and more."""
    slices = []
    for v in range(2):
        for i in range(N):
            data = make_instance(instance=i + 1, modality=modality)
            data.SOPInstanceUID = make_uid("volume", v, (7 * i + 3 * v) % 11, i)
            data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
            data.InstanceNumber = number(i, v)
            for keyword, values in differing.items():
                setattr(data, keyword, values[v])
            pixels = np.full((ROWS, COLUMNS), 1000 * (v + 1) + i, dtype="<u2")
            data.PixelData = pixels.tobytes()
            slices.append(data)
    return slices


def volumes_in(folder: Path, records: list[VolumeRecord]) -> list[set[int]]:
    """Return which of the two volumes the voxels of each published one are from."""
    found = []
    for record in records:
        image: Any = nibabel.load(folder / "nifti" / str(record.file_name))
        stored = np.asanyarray(image.dataobj)
        stored = stored if record.dtype == "uint16" or stored.min() >= 1000 else stored + 1024
        found.append(set((stored // 1000).ravel().astype(int).tolist()))
    return found


DIFFERING: list[tuple[str, str, dict[str, Any]]] = [
    ("CT", "kernel", {"ConvolutionKernel": ("B30f", "B70f")}),
    ("CT", "kernel", {"ConvolutionKernel": (["Br38f", "2"], ["Br38f", "3"])}),
    ("CT", "tube_voltage", {"KVP": ("80", "140")}),
    ("MR", "inversion_time", {"InversionTime": ("150", "400")}),
    ("MR", "flip_angle", {"FlipAngle": ("3", "15")}),
    ("MR", "echo_time", {"EchoTime": ("2.3", "4.6")}),
    ("MR", "content_time", {"ContentTime": ("102000", "102030")}),
    ("MR", "frame_of_reference", {"FrameOfReferenceUID": (make_uid("a"), make_uid("b"))}),
    ("MR", "patient_position", {"PatientPosition": ("HFS", "HFP")}),
]


@pytest.mark.parametrize("number", [in_turn_either_way, alike, in_halves, absent])
@pytest.mark.parametrize(("modality", "name", "differing"), DIFFERING)
def test_what_differs_tells_whatever_the_numbers_say(
    convert: Convert,
    tmp_path: Path,
    number: Number,
    modality: str,
    name: str,
    differing: dict[str, Any],
) -> None:
    records = convert(two_volumes(number, modality, **differing))
    assert [record.split_by for record in records] == [(name,)] * 2
    assert {record.verdict for record in records} <= {"OK", "REPAIRABLE"}
    assert sorted(map(sorted, volumes_in(tmp_path, records))) == [[1], [2]]
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


@pytest.mark.parametrize("number", [in_blocks, in_turn])
def test_numbers_in_blocks_or_in_turn_tell_where_nothing_else_does(
    convert: Convert, tmp_path: Path, number: Number
) -> None:
    records = convert(two_volumes(number))
    assert [record.verdict for record in records] == ["OK", "OK"]
    assert sorted(map(sorted, volumes_in(tmp_path, records))) == [[1], [2]]


@pytest.mark.parametrize("number", [alike, in_halves, absent])
def test_other_numbers_tell_nothing(convert: Convert, number: Number) -> None:
    (record,) = convert(two_volumes(number))
    assert (record.verdict, record.codes) == ("QUARANTINE", ("PHASES_NOT_TOLD_APART",))
    assert len(record.instances_at_fault) == 2 * N


@pytest.mark.parametrize("number", [alike, in_halves, absent])
def test_an_echo_planar_series_is_held_to_the_same(convert: Convert, number: Number) -> None:
    (record,) = convert(two_volumes(number, ScanningSequence=("EP", "EP")))
    assert (record.verdict, record.codes) == ("QUARANTINE", ("PHASES_NOT_TOLD_APART",))


def test_a_time_series_in_order_is_one_volume_of_four_dimensions(
    convert: Convert, tmp_path: Path
) -> None:
    (record,) = convert(two_volumes(in_blocks, ScanningSequence=("EP", "EP")))
    assert (record.verdict, record.n_volumes) == ("OK", 2)
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


def test_stations_of_another_voltage_are_one_stack(convert: Convert) -> None:
    slices = make_series(n_slices=N)
    for data in slices[: N // 2]:
        data.KVP = 100
    (record,) = convert(slices)
    assert (record.verdict, record.split_by) == ("OK", ())


def other_space(slices: list[Dataset]) -> list[Dataset]:
    for data in slices:
        data.FrameOfReferenceUID = make_uid("another space")
    return slices


def test_two_spaces_one_behind_the_other_are_two_volumes(convert: Convert) -> None:
    slices = make_series(n_slices=2 * N)
    records = convert([*slices[:N], *other_space(slices[N:])])
    assert [(r.verdict, r.dim_z, r.split_by) for r in records] == [
        ("OK", N, ("frame_of_reference",))
    ] * 2


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "PatientPosition"])
def test_two_spaces_among_each_other_are_held(convert: Convert, keyword: str) -> None:
    slices = make_series(n_slices=2 * N)
    for data in slices[::2]:
        setattr(data, keyword, make_uid("x") if keyword.endswith("UID") else "FFS")
    records = convert(slices)
    assert {r.verdict for r in records} == {"QUARANTINE"}
    assert {r.codes for r in records} == {("FRAMES_OF_REFERENCE_DIFFER",)}


def test_a_space_for_every_slice_is_held_whole(convert: Convert) -> None:
    slices = make_series(n_slices=N)
    for data in slices:
        data.FrameOfReferenceUID = make_uid("space", data.InstanceNumber)
    (record,) = convert(slices)
    assert record.codes == ("FRAMES_OF_REFERENCE_DIFFER",)


@pytest.mark.parametrize("turned", [[-1, 0, 0, 0, -1, 0], [-1, 0, 0, 0, 1, 0], [0, 1, 0, -1, 0, 0]])
def test_every_second_slice_turned_is_held(convert: Convert, turned: list[int]) -> None:
    slices = make_series(n_slices=2 * N)
    for data in slices[::2]:
        data.ImageOrientationPatient = turned
    records = convert(slices)
    assert {r.verdict for r in records} == {"QUARANTINE"}
    assert {r.codes for r in records} == {("MIXED_ORIENTATION",)}


@pytest.mark.parametrize("shift_mm", [0.2, 0.625, 1.25])
@pytest.mark.parametrize("n_shifted", [1, 2])
def test_a_slice_out_of_its_place_is_not_called_a_missing_one(
    convert: Convert, shift_mm: float, n_shifted: int
) -> None:
    slices = make_series(n_slices=12)
    for data in slices[3 : 3 + 4 * n_shifted : 4]:
        data.ImagePositionPatient = [
            *data.ImagePositionPatient[:2],
            float(data.ImagePositionPatient[2]) + shift_mm,
        ]
    (record,) = convert(slices)
    assert record.codes == ("UNEVEN_SPACING",)


def test_a_fine_even_grid_is_no_fault(convert: Convert) -> None:
    slices = make_series(n_slices=12, SliceThickness=0.2)
    for i, data in enumerate(slices):
        data.ImagePositionPatient = [-25.0, -20.0, round(0.2 * i, 3)]
    (record,) = convert(slices)
    assert (record.verdict, record.codes) == ("OK", ())


@pytest.mark.parametrize("frame", ["none", "its own"])
def test_slices_with_every_uid_their_own_are_not_single_volumes(tmp_path: Path, frame: str) -> None:
    slices = make_series(n_slices=N, SeriesNumber=None)
    for data in slices:
        data.SeriesInstanceUID = make_uid("torn", data.InstanceNumber)
        if frame == "none":
            del data.FrameOfReferenceUID
        else:
            data.FrameOfReferenceUID = make_uid("frame", data.InstanceNumber)
    write_files(tmp_path / "dicom", slices)
    (record,) = convert_folder(tmp_path / "dicom", tmp_path / "out").volumes
    whole = ("REPAIRABLE", ("UID_PER_SLICE",))
    held = ("QUARANTINE", ("FRAMES_OF_REFERENCE_DIFFER", "UID_PER_SLICE"))
    assert (record.verdict, record.codes) == (whole if frame == "none" else held)


def test_an_overlay_is_written_beside_the_image_and_does_not_hold_it(
    convert: Convert, tmp_path: Path
) -> None:
    slices = make_series(n_slices=N)
    for data in slices:
        bits = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
        bits[3:6] = 1
        for element, vr, value in (
            *((0x10, "US", ROWS), (0x11, "US", COLUMNS), (0x40, "CS", "G")),
            *((0x50, "SS", [1, 1]), (0x100, "US", 1), (0x102, "US", 0)),
            (0x3000, "OW", np.packbits(bits, axis=None, bitorder="little").tobytes()),
        ):
            data.add_new((0x6000, element), vr, value)
    (record,) = convert(slices)
    assert (record.verdict, record.codes) == ("OK", ())
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []
