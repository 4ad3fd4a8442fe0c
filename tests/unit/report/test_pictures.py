"""Pictures: the patient's right on the left, levels of the liver, one grey scale per exam."""

from __future__ import annotations

import dataclasses
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.report import pictures
from tasks.report.picture_plan import PictureGroup, PicturePlan, PlannedVolume
from tasks.report.store_pictures import MOSAIC_BYTES, PictureStore, draw_mosaic, draw_sheets
from tests.unit.report.drawn import N_SLICES, write_phantom


def one_voxel(i: int, j: int, k: int) -> pictures.FloatArray:
    voxels = np.zeros((4, 5, 6), dtype=np.float32)
    voxels[i, j, k] = 1.0
    return voxels


def test_right_stands_left_front_stands_up_and_the_head_comes_first() -> None:
    """RAS: the largest indices are right, front and head."""
    stack = pictures.canonical_stack(one_voxel(3, 4, 5), np.eye(4))
    first = pictures.frame(stack, 0)
    assert first.shape == (5, 4)
    assert first[0, 0] == 1.0


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (-1, -1, -1)])
def test_the_way_a_volume_is_stored_changes_nothing_in_its_picture(
    flips: tuple[int, int, int],
) -> None:
    voxels = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    stored = voxels[:: flips[0], :: flips[1], :: flips[2]]
    stack = pictures.canonical_stack(stored, np.diag([*flips, 1]).astype(float))
    plain = pictures.canonical_stack(voxels, np.eye(4))
    for number in range(6):
        assert np.array_equal(pictures.frame(stack, number), pictures.frame(plain, number))


def test_a_coronal_stack_is_shown_slice_by_slice_as_acquired() -> None:
    """Slices along y: the third voxel axis points to the front."""
    affine = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=float)
    stack = pictures.canonical_stack(one_voxel(0, 0, 0), affine)
    assert (stack.through, stack.n_frames) == (1, 6)
    assert pictures.frame(stack, 5).shape == (5, 4)


def test_six_levels_lie_within_the_liver_from_the_head_down() -> None:
    levels = pictures.liver_frames(101)
    assert len(levels) == pictures.N_TILES
    assert list(levels) == sorted(levels)
    from_feet = [100 - level for level in levels]
    assert min(from_feet) == 30
    assert max(from_feet) == 75


def test_phases_of_one_exam_share_one_window_so_that_enhancement_shows() -> None:
    dark = pictures.canonical_stack(np.full((4, 4, 4), 50, dtype=np.float32), np.eye(4))
    bright = pictures.canonical_stack(np.full((4, 4, 4), 150, dtype=np.float32), np.eye(4))
    window = pictures.value_window([dark, bright], is_ct=False)
    greys = [int(pictures.to_grey(pictures.frame(one, 0), window).mean()) for one in (dark, bright)]
    assert greys[1] - greys[0] > 200


def test_values_that_are_none_are_black() -> None:
    values = np.array([[np.nan, 100.0]], dtype=np.float32)
    assert pictures.to_grey(values, (0.0, 100.0)).tolist() == [[0, 255]]


def stack_of(path: Path) -> pictures.Stack:
    from tasks.report.store_pictures import _read_stack

    return _read_stack(path)


def ct_with_lung(n_slices: int, lung_from: int, spacing_mm: float = 5.0) -> pictures.Stack:
    """Return a CT on RAS axes: lungs in the slices from `lung_from` up, and a table below."""
    voxels = np.full((128, 96, n_slices), -1000.0, dtype=np.float32)
    x, y = np.mgrid[0:128, 0:96]
    body = ((x - 64) / 56) ** 2 + ((y - 52) / 36) ** 2 < 1
    lung = (np.abs(np.abs(x - 64) - 28) < 18) & (np.abs(y - 52) < 22)
    voxels[body] = 50.0
    voxels[:, :, lung_from:][lung] = -850.0
    voxels[4:124, 2] = -200.0  # the table
    voxels[4:8, 2:14] = voxels[120:124, 2:14] = -200.0
    affine = np.diag([3.0, 3.0, spacing_mm, 1.0])
    return pictures.canonical_stack(voxels, affine)


def test_levels_of_a_ct_start_at_the_edge_of_the_lung_and_reach_down_the_liver() -> None:
    stack = ct_with_lung(80, lung_from=50)
    assert draw_mosaic(stack, pictures.CT_WINDOW_HU, "CT ART", is_ct=True)[1] == "lung"
    frames = pictures.frames_below_lung(stack)
    assert frames is not None
    assert frames[0] == 80 - 1 - 50
    assert frames[-1] - frames[0] == pictures.LIVER_DEPTH_MM / 5.0
    assert list(frames) == sorted(set(frames))


def test_a_stack_that_ends_below_the_lung_shows_its_lowest_levels() -> None:
    frames = pictures.frames_below_lung(ct_with_lung(60, lung_from=2))
    assert frames is not None
    assert (frames[0], frames[-1]) == (59 - 12, 59)


def test_without_a_lung_or_not_axial_nothing_is_claimed() -> None:
    stack = ct_with_lung(40, lung_from=40)
    assert pictures.frames_below_lung(stack) is None
    coronal = dataclasses.replace(ct_with_lung(40, lung_from=20), through=1)
    assert pictures.frames_below_lung(coronal) is None


def test_a_ct_of_a_few_pixels_costs_no_report() -> None:
    stack = pictures.canonical_stack(np.zeros((3, 40, 5), dtype=np.float32), np.eye(4))
    assert pictures.frames_below_lung(stack) is None
    drawn, levels = draw_mosaic(stack, pictures.CT_WINDOW_HU, "CT ART", is_ct=True)
    assert (len(drawn) > 0, levels) == (True, "stack")


def test_a_mosaic_is_small_and_its_words_stand_outside_the_anatomy(tmp_path: Path) -> None:
    stack = stack_of(write_phantom(tmp_path / "v.nii.gz"))
    window = pictures.value_window([stack], is_ct=False)
    named, bare = (draw_mosaic(stack, window, title)[0] for title in ("T1 ART  3 mm", ""))
    assert len(named) <= MOSAIC_BYTES
    difference = np.abs(
        np.asarray(Image.open(BytesIO(named)).convert("L"), dtype=int)
        - np.asarray(Image.open(BytesIO(bare)).convert("L"), dtype=int)
    )
    changed = np.flatnonzero(difference.max(axis=1) > 40)
    assert changed.size
    assert changed.max() < 30


def test_sheets_hold_every_slice_once_in_order(tmp_path: Path) -> None:
    stack = stack_of(write_phantom(tmp_path / "v.nii.gz", n_slices=20))
    sheets = draw_sheets(stack, (0.0, 300.0))
    sizes = [Image.open(BytesIO(sheet)).size for sheet in sheets]
    assert sizes == [(4 * 64, 4 * 48), (4 * 64, 1 * 48)]


def plan(volume: str, digest: str = "d") -> PicturePlan:
    one = PlannedVolume(digest, volume, "v.nii.gz", "T1 ART", for_rating=True)
    return PicturePlan((PictureGroup(is_ct=False, volumes=(one,)),))


def test_pictures_are_drawn_once_and_anew_for_another_volume(tmp_path: Path) -> None:
    write_phantom(tmp_path / "v.nii.gz")
    store = PictureStore(tmp_path / "store")
    first = store.make(plan("a"), tmp_path)["d"]
    assert first.n_frames == N_SLICES
    (tmp_path / "v.nii.gz").unlink()
    assert store.make(plan("a"), tmp_path)["d"] == first
    with pytest.raises(FileNotFoundError):
        store.make(plan("b"), tmp_path)


def test_a_lost_picture_is_drawn_again(tmp_path: Path) -> None:
    write_phantom(tmp_path / "v.nii.gz")
    store = PictureStore(tmp_path / "store")
    first = store.make(plan("a"), tmp_path)["d"]
    store.path_of(first.mosaic).unlink()
    assert store.make(plan("a"), tmp_path)["d"] == first
    assert store.path_of(first.mosaic).is_file()


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    write_phantom(tmp_path / "v.nii.gz")
    stores = [PictureStore(tmp_path / name, workers=n) for name, n in (("one", 1), ("two", 2))]
    first, second = (store.make(plan("a"), tmp_path)["d"] for store in stores)
    assert first == second
    assert Path(first.mosaic).suffix == ".webp"
