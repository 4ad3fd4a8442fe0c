"""A multi-frame object gives the volumes its frames would give as single slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset

from schemas.records import VolumeRecord
from tasks.convert.counts import StatedCounts
from tests.builders import make_instance, make_series
from tests.unit.convert.conftest import Convert
from tests.unit.convert.encoding import SYNTAXES, compressed
from tests.unit.convert.enhanced import enhanced, uih_grid


def only(records: list[VolumeRecord]) -> VolumeRecord:
    assert len(records) == 1
    return records[0]


def load(tmp_path: Path, record: VolumeRecord) -> Any:
    return nibabel.load(tmp_path / "nifti" / str(record.file_name))


def value_at(image: Any, data: Dataset, volume: int = 0) -> float:
    """Return the voxel where the first pixel of a slice lies."""
    x, y, z = (float(value) for value in data.ImagePositionPatient)
    i, j, k = np.rint(np.linalg.inv(image.affine) @ (-x, -y, z, 1.0))[:3].astype(int)
    voxels = np.asanyarray(image.dataobj)
    return float(voxels[i, j, k] if voxels.ndim == 3 else voxels[i, j, k, volume])


def real_value(data: Dataset) -> float:
    stored = float(np.frombuffer(data.PixelData, "<u2")[0])
    return stored * float(data.get("RescaleSlope", 1)) + float(data.get("RescaleIntercept", 0))


def volumes_of(slices: list[Dataset], n: int, **by_volume: tuple[Any, ...]) -> list[Dataset]:
    """Return the slices `n` times with other pixels and other values in each volume."""
    made = []
    for v in range(n):
        for data in slices:
            number = 100 * (v + 1) + int(data.InstanceNumber)
            one = make_instance(
                instance=number,
                modality=str(data.Modality),
                **{keyword: values[v] for keyword, values in by_volume.items()},
            )
            one.ImagePositionPatient = data.ImagePositionPatient
            made.append(one)
    return made


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_an_enhanced_object_is_one_proven_volume(
    convert: Convert, tmp_path: Path, modality: str
) -> None:
    slices = make_series(n_slices=6, modality=modality)
    record = only(convert([enhanced(slices)]))
    assert (record.verdict, record.codes, record.dim_z) == ("OK", (), 6)
    image = load(tmp_path, record)
    for data in slices:
        assert value_at(image, data) == real_value(data)


def test_frames_in_any_order_lie_where_their_groups_say(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=6)[::-1]
    slices[1], slices[4] = slices[4], slices[1]
    image = load(tmp_path, only(convert([enhanced(slices)])))
    for data in slices:
        assert value_at(image, data) == real_value(data)


def test_phases_in_one_object_are_volumes_apart(convert: Convert, tmp_path: Path) -> None:
    frames = volumes_of(make_series(n_slices=5, modality="MR"), 3, AcquisitionNumber=(1, 2, 3))
    records = convert([enhanced(frames)])
    assert [(r.verdict, r.n_volumes, r.dim_z) for r in records] == [("OK", 1, 5)] * 3
    assert len({r.sub_stack_digest for r in records}) == 3


def test_a_phase_short_of_frames_is_set_aside_alone(convert: Convert) -> None:
    frames = volumes_of(make_series(n_slices=8, modality="MR"), 2, AcquisitionNumber=(1, 2))
    records = convert([enhanced(frames[:-3])])
    assert sorted(r.codes for r in records) == [(), ("UNEQUAL_PHASES",)]


def test_echoes_and_frame_types_are_told_apart(convert: Convert) -> None:
    types = (["ORIGINAL", "PRIMARY", "M", "NONE"], ["DERIVED", "PRIMARY", "W", "NONE"])
    slices = make_series(n_slices=4, modality="MR")
    frames = volumes_of(slices, 2, EchoTime=(1.2, 2.4), ImageType=types)
    assert [r.verdict for r in convert([enhanced(frames)])] == ["OK", "OK"]


def test_diffusion_frames_are_one_volume_with_b_values(convert: Convert, tmp_path: Path) -> None:
    frames = volumes_of(
        make_series(n_slices=4, modality="MR"),
        3,
        DiffusionBValue=(0.0, 50.0, 800.0),
        ScanningSequence=("EP", "EP", "EP"),
    )
    record = only(convert([enhanced(frames)]))
    assert (record.verdict, record.n_volumes, record.b_values) == ("OK", 3, (0.0, 50.0, 800.0))
    image = load(tmp_path, record)
    for i, data in enumerate(frames):
        assert value_at(image, data, i // 4) == real_value(data)


def test_a_slope_of_each_frame_gives_real_values(convert: Convert, tmp_path: Path) -> None:
    slices = make_series(n_slices=5, modality="MR")
    for k, data in enumerate(slices):
        data.RescaleSlope, data.RescaleIntercept = 0.5 + 0.11 * k, 2.0 * k
    record = only(convert([enhanced(slices)]))
    assert (record.verdict, record.dtype) == ("OK", "float32")
    for data in slices:
        assert value_at(load(tmp_path, record), data) == pytest.approx(real_value(data), rel=1e-5)


def test_a_missing_frame_is_named(convert: Convert) -> None:
    data = enhanced(make_series(n_slices=8, missing_slice=4))
    record = only(convert([data]))
    assert record.codes == ("MISSING_SLICE",)
    assert record.instances_at_fault == (data.SOPInstanceUID,)


@pytest.mark.parametrize("lost_bytes", [1, 639, 2000])
def test_a_truncated_object_is_named(convert: Convert, lost_bytes: int) -> None:
    data = enhanced(make_series(n_slices=6))
    record = only(convert([data], spoil={0: lambda raw: raw[:-lost_bytes]}))
    assert record.codes == ("TRUNCATED",)


def test_frames_without_groups_are_kept_back(convert: Convert) -> None:
    data = enhanced(make_series(n_slices=6))
    del data.PerFrameFunctionalGroupsSequence
    assert "MULTI_FRAME" in only(convert([data])).codes


@pytest.mark.parametrize("syntax", ["JPEG 2000 lossless", "JPEG-LS lossless", "RLE", "deflated"])
def test_a_compressed_object_is_proven_frame_by_frame(
    convert: Convert, tmp_path: Path, syntax: str
) -> None:
    slices = make_series(n_slices=5, modality="MR")
    record = only(convert(compressed([enhanced(slices)], SYNTAXES[syntax])))
    assert (record.verdict, record.codes) == ("OK", ())
    for data in slices:
        assert value_at(load(tmp_path, record), data) == real_value(data)


@pytest.mark.parametrize("n_slices", [4, 7, 10])
def test_a_uih_grid_is_proven_tile_by_tile(convert: Convert, tmp_path: Path, n_slices: int) -> None:
    slices = make_series(n_slices=n_slices, modality="MR")
    record = only(convert([uih_grid(slices)]))
    assert (record.verdict, record.dim_z, record.n_instances) == ("OK", n_slices, 1)
    for data in slices:
        assert value_at(load(tmp_path, record), data) == real_value(data)


def test_uih_grids_of_several_b_values_are_one_volume(convert: Convert, tmp_path: Path) -> None:
    frames = volumes_of(
        make_series(n_slices=5, modality="MR"), 3, DiffusionBValue=(0.0, 400.0, 800.0)
    )
    grids = [uih_grid(frames[5 * v : 5 * v + 5], number=v + 1) for v in range(3)]
    record = only(convert(grids))
    assert (record.verdict, record.n_volumes) == ("OK", 3)
    assert record.b_values == (0.0, 400.0, 800.0)
    for i, data in enumerate(frames):
        assert value_at(load(tmp_path, record), data, i // 5) == real_value(data)


def test_the_tables_count_files_of_a_multi_frame_object_once(convert: Convert) -> None:
    data = enhanced(make_series(n_slices=6))
    assert only(convert([data], stated=StatedCounts(n_instances=1))).verdict == "OK"
