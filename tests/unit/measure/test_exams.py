"""A volume is read once; one that cannot be read costs no other; withheld people leave nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray

from schemas.dicom.features import read_features
from schemas.dicom.sub_stacks import split_series
from schemas.measurements import NoValue
from tasks.measure.exams import MeasuredPart, acquisition_of, partner_of
from tasks.measure.measuring import AORTA, measure_exam
from tasks.measure.store import measure_exams, read_volume
from tasks.measure.volume import patient_axes, slice_values
from tests.builders import make_series
from tests.unit.measure.bodies import AFFINE, body_ct, exam


def part(path: Path, digest: str = "d1", **facts: object) -> MeasuredPart:
    made = MeasuredPart(path, "S91-AAAAAAAA", "2.1", f"1.{digest}", digest, "CT")
    return replace(made, **facts)  # type: ignore[arg-type]  # names of its own fields


def written(path: Path, voxels: NDArray[np.int16], affine: NDArray[np.float64] = AFFINE) -> Path:
    Nifti1Image(voxels, affine).to_filename(path)  # type: ignore[no-untyped-call]  # nibabel's own
    return path


def test_a_volume_is_read_as_nibabel_reads_it(tmp_path: Path) -> None:
    ct = body_ct((20, 16, 6), noise_hu=5.0)
    path = written(tmp_path / "d1.nii.gz", ct)
    (tmp_path / "d1.json").write_text('{"InPlanePhaseEncodingDirectionDICOM": "COL"}')
    found = read_volume(part(path))
    assert found.n_volumes == 1
    assert all(np.array_equal(slice_values(found, n), ct[:, :, n]) for n in range(6))
    assert found.spacing_mm == (3.0, 3.0, 5.0)
    assert found.encoding_axis == 1


def test_a_file_that_cannot_be_read_says_so_and_costs_no_other(tmp_path: Path) -> None:
    good = written(tmp_path / "d1.nii.gz", body_ct(noise_hu=5.0))
    (tmp_path / "d2.nii.gz").write_bytes(b"no volume")
    rows = measure_exams([[part(good), part(tmp_path / "d2.nii.gz", "d2")]], workers=1)
    bad = [row for row in rows if row.sub_stack_digest == "d2"]
    assert {row.reason for row in bad} == {NoValue.FAILED}
    assert {row.metric for row in bad} >= {"ct_noise", "repeated_slices"}
    assert any(row.metric == "ct_noise" and row.value for row in rows)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_give_no_value_and_a_reason(wrong: float) -> None:
    mr = body_ct(noise_hu=5.0).astype(np.float32) + 1024
    broken = mr.copy()
    broken[49:53, 39:43, 12] = wrong
    four = np.stack([mr, broken], axis=-1)
    at_edge = mr.copy()
    at_edge[:, 0, :] = wrong
    for voxels, b_values in ((four, (0.0, 800.0)), (broken, ()), (at_edge, ())):
        one = part(Path("x"), modality="MR", b_values=b_values)
        shown = patient_axes(voxels, AFFINE, encoding="j")
        rows = measure_exam([one], {one: shown}.__getitem__)
        assert all((row.value is None) != (row.reason is None) for row in rows)
        assert all(row.value is None or np.isfinite(row.value) for row in rows)


def test_the_passes_of_one_exam_are_measured_together(tmp_path: Path) -> None:
    levels = {"pre": (40.0, 55.0), "art": (300.0, 70.0), "pvp": (160.0, 120.0)}
    affine = np.diag([5.0, 5.0, 5.0, 1.0])
    parts = [
        part(
            written(tmp_path / f"{phase}.nii.gz", voxels, affine),
            phase,
            is_pass=True,
            frame_of_reference="3.1",
        )
        for phase, voxels in exam(levels).items()
    ]
    together = measure_exams([parts], workers=1)
    apart = measure_exams([[one] for one in parts], workers=1)
    assert len([r for r in together if r.metric == AORTA and r.value is not None]) == 3
    assert {r.reason for r in apart if r.metric == AORTA} == {NoValue.NO_PARTNER}


def test_water_is_the_partner_of_fat_of_the_same_moment() -> None:
    frame = {"frame_of_reference": "1.2"}
    fat = part(Path("f"), "f", dixon="fat", began_s=100.0, **frame)
    water = part(Path("w"), "w", dixon="water", began_s=100.2, **frame)
    later = part(Path("v"), "v", dixon="water", began_s=160.0, **frame)
    assert partner_of(fat, [fat, water, later]) == water
    assert partner_of(fat, [fat, later]) is None
    assert partner_of(replace(fat, began_s=None), [water]) is None
    assert partner_of(fat, [replace(water, frame_of_reference="1.3")]) is None
    unknown = [replace(one, frame_of_reference=None) for one in (fat, water)]
    assert partner_of(unknown[0], unknown) is None
    assert partner_of(unknown[0], [replace(unknown[1], series_uid=fat.series_uid)]) is not None


def test_a_parameter_of_which_slices_disagree_is_unknown() -> None:
    slices = make_series(modality="MR")
    slices[0].FlipAngle = 77
    (stack,) = split_series([read_features(header) for header in slices])
    found = acquisition_of(stack)
    assert found.flip_angle_deg is None
    assert found.repetition_time_ms == float(slices[0].RepetitionTime)
