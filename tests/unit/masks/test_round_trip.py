"""A mask goes to a DICOM SEG and back voxel for voxel, or is refused; it is never resampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tasks.masks.grid import RAS_TO_LPS, OtherGridError, on_grid, one_lesion, require_whole_grid
from tasks.masks.segmentation import is_segmentation, make_segmentation, read_segmentation
from tests.builders import make_instance
from tests.unit.deidentify.multi_frame import make_enhanced

Matrix = NDArray[np.float64]
ROWS, COLUMNS, SLICES = 8, 6, 5
SPACING, STEP = (1.5, 0.75), 3.0


def turned(degrees: float) -> Matrix:
    """Row, column and normal of planes turned about two axes."""
    a = np.radians(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    return np.asarray((about_x @ about_z).T, dtype=np.float64)


def series(degrees: float = 0.0, repeats: int = 1) -> list[Dataset]:
    row, column, normal = turned(degrees)
    images = []
    for number in range(SLICES * repeats):
        at = np.array([-10.0, 20.0, -30.0]) + STEP * (number % SLICES) * normal
        image = make_instance(
            modality="MR",
            instance=number + 1,
            Rows=ROWS,
            Columns=COLUMNS,
            PixelSpacing=list(SPACING),
            ImageOrientationPatient=[round(float(v), 9) for v in (*row, *column)],
            ImagePositionPatient=[round(float(v), 9) for v in at],
        )
        image.PixelData = np.zeros((ROWS, COLUMNS), np.uint16).tobytes()
        images.append(image)
    return images


def volume_affine(degrees: float, *, reverse: bool) -> Matrix:
    """RAS affine of the volume as converters write it: rows from below, maybe slices too."""
    row, column, normal = turned(degrees)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1], lps[:3, 2] = row * SPACING[1], -column * SPACING[0], normal * STEP
    first = np.array([-10.0, 20.0, -30.0]) + column * SPACING[0] * (ROWS - 1)
    if reverse:
        first = first + normal * STEP * (SLICES - 1)
        lps[:3, 2] *= -1
    lps[:3, 3] = first
    return np.asarray(RAS_TO_LPS @ lps, dtype=np.float64)


def lesion() -> NDArray[np.uint8]:
    mask = np.zeros((COLUMNS, ROWS, SLICES), np.uint8)
    mask[1:4, 2, 1:3] = 1
    mask[2, 3:7, 2] = 1
    return mask


@pytest.mark.parametrize("degrees", [0.0, 17.0])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("repeats", [1, 2])
def test_nifti_to_seg_to_nifti_is_the_same_mask(
    tmp_path: Path, degrees: float, reverse: bool, repeats: int
) -> None:
    affine = volume_affine(degrees, reverse=reverse)
    images = series(degrees, repeats)
    made = make_segmentation(lesion(), affine, images, 1, "0.1")
    made.save_as(tmp_path / "mask.dcm")
    labels, back, of_series = read_segmentation(tmp_path / "mask.dcm")
    mask = on_grid(one_lesion(labels, None), back, RAS_TO_LPS @ affine, lesion().shape)
    assert np.array_equal(mask, lesion())
    assert of_series == images[0].SeriesInstanceUID
    referenced = {
        str(item.ReferencedSOPInstanceUID)
        for item in made.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert referenced <= {image.SOPInstanceUID for image in images}
    assert made.PatientID == images[0].PatientID
    assert is_segmentation(tmp_path / "mask.dcm")


def test_a_pixel_lies_where_the_mask_lies(tmp_path: Path) -> None:
    affine = volume_affine(0.0, reverse=True)
    mask = np.zeros((COLUMNS, ROWS, SLICES), np.uint8)
    mask[5, 7, 0] = 1  # last column, first row, last slice
    made = make_segmentation(mask, affine, series(), 1, "0.1")
    [frame] = np.atleast_3d(made.pixel_array).reshape(-1, ROWS, COLUMNS)
    assert np.argwhere(frame).tolist() == [[0, 5]]
    position = made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    assert float(position.ImagePositionPatient[2]) == -30.0 + STEP * (SLICES - 1)


def test_a_mask_of_a_multi_frame_object_comes_back(tmp_path: Path) -> None:
    enhanced = make_enhanced(n_slices=3)
    frames = enhanced.PerFrameFunctionalGroupsSequence
    shared = enhanced.SharedFunctionalGroupsSequence[0]
    rows, columns = int(enhanced.Rows), int(enhanced.Columns)
    places = [(f if "PlanePositionSequence" in f else shared) for f in frames]
    first = np.array(places[0].PlanePositionSequence[0].ImagePositionPatient, float)
    step = np.array(places[1].PlanePositionSequence[0].ImagePositionPatient, float) - first
    holder = shared if "PlaneOrientationSequence" in shared else frames[0]
    turn = np.array(holder.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    holder = shared if "PixelMeasuresSequence" in shared else frames[0]
    spacing = holder.PixelMeasuresSequence[0].PixelSpacing
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1] = turn[:3] * float(spacing[1]), turn[3:] * float(spacing[0])
    lps[:3, 2], lps[:3, 3] = step, first
    mask = np.zeros((columns, rows, 3), np.uint8)
    mask[1, 2, 1:] = 1
    made = make_segmentation(mask, RAS_TO_LPS @ lps, [enhanced], 2, "0.1")
    made.save_as(tmp_path / "mask.dcm")
    labels, back, _ = read_segmentation(tmp_path / "mask.dcm")
    assert np.array_equal(on_grid(one_lesion(labels, None), back, lps, mask.shape), mask)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda a: a @ np.diag([1.0, 1.0, 1.1, 1.0]),
        lambda a: a + np.array([[0, 0, 0, 0.4], [0] * 4, [0] * 4, [0] * 4]),
        lambda a: a @ np.block([[turned(1.0), np.zeros((3, 1))], [np.zeros((1, 3)), 1.0]]),
        lambda a: a * 0.0,
        lambda a: a * np.nan,
    ],
    ids=["spacing", "shift", "angle", "nothing", "no numbers"],
)
def test_a_mask_on_another_grid_is_refused(spoil: object) -> None:
    affine = volume_affine(17.0, reverse=False)
    with pytest.raises(OtherGridError):
        on_grid(lesion(), spoil(affine), affine, lesion().shape)  # type: ignore[operator]


def test_a_mask_that_leaves_the_volume_or_is_of_another_size_is_refused() -> None:
    affine = volume_affine(0.0, reverse=False)
    shifted = affine.copy()
    shifted[:3, 3] += affine[:3, 2] * 3
    with pytest.raises(OtherGridError, match="outside"):
        on_grid(lesion(), shifted, affine, lesion().shape)
    with pytest.raises(OtherGridError, match="6 x 8 x 4 voxels"):
        require_whole_grid((6, 8, 4), affine, affine, (6, 8, 5))


def test_axes_in_another_order_are_the_same_voxels() -> None:
    affine = volume_affine(17.0, reverse=False)
    flip = np.eye(4)
    flip[0, 0], flip[0, 3] = -1, COLUMNS - 1
    swap = np.eye(4)[:, [2, 1, 0, 3]]
    seen = np.ascontiguousarray(lesion()[::-1].transpose(2, 1, 0))
    assert np.array_equal(on_grid(seen, affine @ flip @ swap, affine, lesion().shape), lesion())


@pytest.mark.parametrize(
    ("values", "label", "why"),
    [
        (np.full((2, 2, 2), 0.5), None, "no whole numbers"),
        (np.full((2, 2, 2), np.nan), None, "no whole numbers"),
        (np.arange(8).reshape(2, 2, 2), None, "7 labels"),
        (np.zeros((2, 2, 2)), None, "no voxel"),
        (np.ones((2, 2, 2)), 2, "no voxel"),
        (np.ones((2, 2)), None, "2 dimensions"),
    ],
)
def test_what_is_no_mask_of_one_lesion_is_refused(
    values: NDArray[np.float64], label: int | None, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        one_lesion(values, label)


def test_a_segmentation_of_several_series_is_refused(tmp_path: Path) -> None:
    made = make_segmentation(lesion(), volume_affine(0, reverse=False), series(), 1, "0.1")
    other = Dataset()
    other.SeriesInstanceUID = "1.2.3"
    made.ReferencedSeriesSequence = Sequence([*made.ReferencedSeriesSequence, other])
    made.save_as(tmp_path / "mask.dcm")
    with pytest.raises(ValueError, match="2 series"):
        read_segmentation(tmp_path / "mask.dcm")
