"""A volume that goes by gives what one in memory gives, to the last bit, and holds little of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from isal import igzip_lib
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray

from tasks.measure.exams import MeasuredPart
from tasks.measure.measuring import measure_exam
from tasks.measure.store import read_volume
from tasks.measure.store_stream import StreamedVoxels
from tasks.measure.volume import Volume, patient_axes
from tasks.measure.voxels import Asked, Steps
from tests.unit.measure.bodies import AFFINE, body_ct

# Any, because it is not annotated.
IsalError: Any = igzip_lib.IsalError
Voxels = NDArray[np.generic]
Affine = NDArray[np.float64]


def written(path: Path, voxels: Voxels, affine: Affine) -> Path:
    Nifti1Image(voxels, affine).to_filename(path)  # type: ignore[no-untyped-call]  # nibabel's own
    return path


def held(path: Path, encoding: str | None = None) -> Volume:
    """The volume as nibabel reads it, whole: the reference."""
    image = Nifti1Image.from_filename(path)
    data: Any = image.dataobj
    stored = np.asarray(data.get_unscaled())
    return patient_axes(stored, np.asarray(image.affine), encoding=encoding)


def turned_affine(order: tuple[int, ...], signs: tuple[int, ...]) -> Affine:
    affine = np.zeros((4, 4))
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[world, axis] = sign * (axis + 1.5)
    affine[:, 3] = (7.0, -3.0, 11.0, 1.0)
    return affine


@pytest.mark.parametrize("order", permutations(range(3)))
@pytest.mark.parametrize("signs", product((1, -1), repeat=3))
def test_slices_and_blocks_are_those_of_the_whole_volume_however_it_lies(
    tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    stored = np.arange(7 * 6 * 5 * 2, dtype=np.int16).reshape(7, 6, 5, 2)
    path = written(tmp_path / "v.nii.gz", stored, turned_affine(order, signs))
    whole, streamed = held(path), StreamedVoxels(path)
    assert streamed.shape == whole.voxels.shape
    block = (Steps(0, 99, 2), Steps(1, 5, 3), Steps(0, 4, 1))
    n = whole.n_slices
    asked = Asked({(0, 0), (n - 1, 1)}, {(block, 0), (block, 1)})
    streamed.expect(asked)
    for number, of in ((0, 0), (n - 1, 1), (1, 1)):  # the last was not announced
        found, expected = streamed.plane(number, of), whole.voxels.plane(number, of)
        assert np.array_equal(found, expected)
        # Sums of floating-point numbers depend on the order in memory.
        assert np.argsort(np.abs(found.strides)).tolist() == (
            np.argsort(np.abs(expected.strides)).tolist()
        )
    assert all(
        np.array_equal(streamed.block(block, t), whole.voxels.block(block, t)) for t in (0, 1)
    )


def test_every_metric_is_the_same_and_was_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        StreamedVoxels, "_held", lambda _: pytest.fail("a metric asks for more than it announced")
    )
    ct = body_ct(noise_hu=5.0)
    mr = (ct + 1024).astype(np.uint16)
    flipped = AFFINE * np.array([-1.0, -1.0, 1.0, 1.0])
    beside = MeasuredPart(
        Path("x"), None, None, "3", "", "MR", frame_of_reference="1.2", began_s=1.0
    )
    images = {
        "ct": (ct, MeasuredPart(Path("x"), None, None, "1", "ct", "CT", is_pass=True)),
        "dwi": (
            np.stack([mr, mr // 2, mr // 3], axis=-1),
            MeasuredPart(Path("x"), None, None, "2", "dwi", "MR", b_values=(0.0, 50.0, 800.0)),
        ),
        "fat": (mr // 2, replace(beside, digest="fat", dixon="fat")),
        "water": (mr, replace(beside, digest="water", dixon="water")),
    }
    parts = []
    for name, (voxels, part) in images.items():
        path = written(tmp_path / f"{name}.nii.gz", voxels, flipped)
        (tmp_path / f"{name}.json").write_text('{"PhaseEncodingDirection": "j-"}')
        parts.append(replace(part, path=path))
    streamed = measure_exam(parts, read_volume)
    whole = measure_exam(parts, lambda part: held(part.path, "j-"))
    assert streamed == whole
    assert {"dwi_rise", "ring_water_share", "ct_noise"} <= {
        row.metric for row in streamed if row.value is not None
    }


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda raw: raw[:-40], id="cut off"),
        pytest.param(lambda raw: raw[:-8] + bytes(4) + raw[-4:], id="another checksum"),
        pytest.param(lambda raw: raw + raw, id="two members"),
        pytest.param(lambda raw: raw + b"x", id="something behind"),
    ],
)
def test_a_volume_that_is_not_whole_is_refused_after_all_slices_went_by(
    tmp_path: Path, broken: object
) -> None:
    path = written(tmp_path / "v.nii.gz", body_ct((30, 20, 8), noise_hu=9.0), AFFINE)
    path.write_bytes(broken(path.read_bytes()))  # type: ignore[operator]  # one of the above
    with pytest.raises((EOFError, ValueError, IsalError)):
        StreamedVoxels(path).expect(Asked())
