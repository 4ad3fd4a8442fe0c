"""A volume is looked at along the patient's axes, whatever axes the file has."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.measure.volume import coarse_grid, patient_axes, slice_values


def test_indices_grow_to_right_front_and_head_whatever_the_file_has() -> None:
    stored = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    turned = np.flip(stored, axis=0).transpose(2, 1, 0)  # sagittal slices, left first
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 5.0, 3.0, -2.0, 1.0
    affine[:3, 3] = (2.0, 0.0, 0.0)

    found = patient_axes(turned, affine)

    assert all(np.array_equal(found.voxels.plane(x, 0), stored[x]) for x in range(2))
    assert found.spacing_mm == (2.0, 3.0, 5.0)
    assert found.origin_mm == (0.0, 0.0, 0.0)
    assert found.through == 0
    assert not found.is_axial


def test_the_axis_of_the_phase_encoding_is_turned_along() -> None:
    affine = np.zeros((4, 4))
    affine[1, 0], affine[0, 1], affine[2, 2], affine[3, 3] = 1.0, 1.0, 1.0, 1.0
    assert patient_axes(np.zeros((4, 4, 4)), affine, encoding="j-").encoding_axis == 0
    assert patient_axes(np.zeros((4, 4, 4)), affine).encoding_axis is None


def test_a_coarse_grid_says_where_its_points_are() -> None:
    x = np.arange(12, dtype=np.float32)[:, None, None] * np.ones((1, 4, 4), dtype=np.float32)
    grid = coarse_grid(patient_axes(x, np.eye(4)), 4.0)
    where = grid.origin_mm[0] + grid.spacing_mm[0] * np.arange(grid.values.shape[0])
    assert grid.values[:, 0, 0] == pytest.approx(where)


def test_values_are_scaled_as_the_header_says() -> None:
    found = patient_axes(np.full((2, 2, 2), 10, dtype=np.int16), np.eye(4), slope=2, intercept=-5)
    assert slice_values(found, 0) == pytest.approx(15.0)


def test_two_axes_along_one_of_the_patients_are_refused() -> None:
    affine = np.eye(4)
    affine[:3, 1] = (1.0, 0.1, 0.0)
    with pytest.raises(ValueError, match="two axes"):
        patient_axes(np.zeros((2, 2, 2)), affine)
