"""Levels of the liver on a real CT of chest and abdomen: found, not counted off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from tasks.report import pictures


@pytest.mark.real_data
def test_levels_of_a_real_ct_of_the_chest_are_its_lowest_not_those_of_its_middle(
    real_dicom: Path,
) -> None:
    """Its lowest slices are all that it has of the liver: the dome stands some 20 mm above them."""
    folder = real_dicom / "ge_ct_chest_abdomen_pelvis"
    slices = [pydicom.dcmread(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    slices = [one for one in slices if "ImagePositionPatient" in one]
    slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    spacing = float(slices[1].ImagePositionPatient[2] - slices[0].ImagePositionPatient[2])
    rows = [
        one.pixel_array.astype(np.float32).T * one.RescaleSlope + one.RescaleIntercept
        for one in slices
    ]
    in_plane = float(slices[0].PixelSpacing[0])
    stack = pictures.canonical_stack(
        np.stack(rows, axis=-1).astype(np.float32), np.diag([-in_plane, -in_plane, spacing, 1.0])
    )
    frames = pictures.frames_below_lung(stack)
    assert frames is not None
    assert frames[-1] == len(slices) - 1
    assert (frames[-1] - frames[0]) * spacing == pytest.approx(pictures.LIVER_LEAST_MM, abs=spacing)
    assert frames[0] > pictures.liver_frames(len(slices))[-1]
