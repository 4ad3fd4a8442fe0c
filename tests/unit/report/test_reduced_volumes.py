"""A reduced volume keeps its place in millimetres, its values within a step, and its budget."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from tasks.report import pictures
from tasks.report.model import read_cohort
from tasks.report.picture_plan import (
    PictureGroup,
    PicturePlan,
    PlannedVolume,
    plan_pictures,
)
from tasks.report.reduced_volumes import MOST_SLICES, ReducedVolume, reduce_stack
from tasks.report.store_pictures import PictureStore
from tasks.report.store_volumes import VOLUME_BYTES, draw_volume
from tasks.report.subject_view import SeriesView, scrolled
from tasks.report.tables import VolumePictures
from tests.unit.report.drawn import write_phantom
from tests.unit.report.synthetic import make_report

Affine = npt.NDArray[np.float64]


def laid(turn: npt.ArrayLike) -> Affine:
    """Return an affine of square pixels of 0.8 mm and slices of 5 mm, turned, off the origin."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(turn) @ np.diag([0.8, 0.8, 5.0])
    affine[:3, 3] = (9.0, -3.0, 60.0)
    return affine


_TILT = np.array([[1, 0, 0], [0, 0.96, -0.28], [0, 0.28, 0.96]])
#: As scanners lay them: axial in LPS, coronal from the front, sagittal from the left, oblique.
AFFINES = {
    "axial": laid(np.diag([-1, -1, 1])),
    "coronal": laid([[-1, 0, 0], [0, 0, 1], [0, 1, 0]]),
    "sagittal": laid([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
    "oblique": laid(_TILT @ np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])),
}


def with_one_point(
    shape: tuple[int, int, int], at: tuple[int, int, int], affine: Affine
) -> pictures.Stack:
    voxels = np.zeros(shape, dtype=np.float32)
    voxels[at] = 1000.0
    return pictures.canonical_stack(voxels, affine)


def brightest_mm(volume: ReducedVolume) -> npt.NDArray[np.float64]:
    """Return where the brightest pixel of a reduced volume lies, RAS mm."""
    slice_no, row, column = np.unravel_index(volume.slices.argmax(), volume.slices.shape)
    return np.asarray(volume.to_mm @ [column, row, slice_no, 1.0])


@pytest.mark.parametrize("name", AFFINES)
def test_a_point_lies_where_the_affine_of_the_volume_puts_it(name: str) -> None:
    affine, at = AFFINES[name], (11, 23, 6)
    reduced = reduce_stack(with_one_point((40, 50, 12), at, affine), is_ct=False)
    assert np.allclose(brightest_mm(reduced), (affine @ [*at, 1.0])[:3])


@pytest.mark.parametrize("name", AFFINES)
def test_fewer_pixels_and_slices_move_no_point_by_more_than_half_of_one(name: str) -> None:
    affine = AFFINES[name]
    shape = (64, 96, 3 * MOST_SLICES)
    for place in (0, 1, 2):
        at = (11, 75, 90 + place)
        stack = with_one_point(shape, at, affine)
        reduced = reduce_stack(stack, is_ct=False, longest=32)
        if not reduced.slices.any():
            continue  # between two slices that are shown
        assert (reduced.step, reduced.of) == (3, 3 * MOST_SLICES)
        shrunk = 96 / 32
        off = np.linalg.inv(affine[:3, :3]) @ (brightest_mm(reduced) - (affine @ [*at, 1.0])[:3])
        assert np.abs(off[:2]).max() <= shrunk / 2
        assert abs(off[2]) < 1e-6
        return
    pytest.fail("none of three neighbours is shown")


def test_every_slice_of_the_count_is_one_of_the_series_and_none_is_shown_twice() -> None:
    ramp = np.broadcast_to(np.arange(200, dtype=np.float32), (8, 8, 200))
    reduced = reduce_stack(pictures.canonical_stack(ramp, np.eye(4)), is_ct=False)
    shown = [reduced.first + reduced.step * s for s in range(len(reduced.slices))]
    assert len(shown) <= MOST_SLICES
    assert 0 <= shown[0] < shown[-1] < 200
    # Superior first: slice s of the series lies at 199 - s mm, and holds that value.
    greys = [float(one.mean()) for one in reduced.slices]
    at, grey = zip(*reduced.knots, strict=True)
    held = np.interp(greys, grey, at)
    assert np.abs(held - (199 - np.array(shown))).max() <= (at[1] - at[0]) / 255


def test_soft_tissue_of_ct_is_kept_within_two_hounsfield_units() -> None:
    values = np.linspace(-200, 300, 64, dtype=np.float32)
    voxels = np.broadcast_to(values[:, None, None], (64, 4, 4))
    reduced = reduce_stack(pictures.canonical_stack(voxels, np.eye(4)), is_ct=True)
    at, grey = zip(*reduced.knots, strict=True)
    kept = np.interp(reduced.slices[0][0][::-1], grey, at)
    assert np.abs(kept - values).max() <= 2.0


def test_values_that_are_none_and_a_series_without_signal_are_black() -> None:
    for voxels in (np.full((8, 8, 4), np.nan, dtype=np.float32), np.zeros((8, 8, 4), np.float32)):
        assert not reduce_stack(
            pictures.canonical_stack(voxels, np.eye(4)), is_ct=False
        ).slices.any()


def test_noise_is_within_the_budget_of_a_series_and_the_same_twice() -> None:
    """The worst that can come: noise alone, more slices than are kept."""
    noise = np.random.default_rng(1).normal(100, 60, (256, 256, 90)).astype(np.float32)
    stack = pictures.canonical_stack(noise, np.eye(4))
    script = draw_volume(stack, is_ct=True)
    assert len(script) <= VOLUME_BYTES
    assert script == draw_volume(stack, is_ct=True)


def test_the_script_is_one_call_with_geometry_and_pixels_and_no_name(tmp_path: Path) -> None:
    store = PictureStore(tmp_path / "store")
    write_phantom(tmp_path / "v.nii.gz")
    one = PlannedVolume("d", "a", "v.nii.gz", "T1 ART", for_rating=False)
    plan = PicturePlan((PictureGroup(is_ct=False, volumes=(one,)),))
    made = store.make(plan, tmp_path)["d"]
    text = store.path_of(made.volume).read_text(encoding="ascii")
    head = "livercohort.takeVolume("
    assert text.startswith(head)
    facts = json.loads(text[len(head) : text.rindex(")")])
    assert facts["size"] == [64, 48, 20]
    assert facts["toMm"][2] == [0, 0, -5, 95]
    assert set(facts) == {
        *("size", "perRow", "toMm", "knots", "percentiles", "first", "step", "of"),
        *("volume", "volumes", "webp"),
    }
    # Another title makes other pictures; the volume is the same and is not read again.
    again = PicturePlan((PictureGroup(is_ct=False, volumes=(one,)),))
    (tmp_path / "v.nii.gz").unlink()
    assert store.make(again, tmp_path)["d"].volume == made.volume


def test_series_are_linked_in_one_frame_of_reference_alone_and_an_unknown_one_is_like_none() -> (
    None
):
    report = make_report(n_sites=1)
    row = read_cohort(report.tables).series[0]
    drawn = VolumePictures("m", (), 20, 64, 48, "v.js")
    stated = ["1.1", None, "1.2", "1.1", None]
    views = [SeriesView(replace(row, frame_of_reference_uid=uid), "T1", drawn) for uid in stated]
    assert [one.frame for one in scrolled(views)] == [1, 2, 3, 1, 4]


def test_values_of_a_ct_are_hounsfield_units_whatever_the_label() -> None:
    report = make_report(n_sites=1)
    rows = report.tables["series"].to_pylist()
    place = next(n for n, row in enumerate(rows) if row["label"] == "CT_PVP")
    rows[place]["label"] = "UNCLASSIFIED"
    series = pa.Table.from_pylist(rows, schema=report.tables["series"].schema)
    plan = plan_pictures(read_cohort({**report.tables, "series": series}))
    in_hu = {one.digest: one.in_hu for group in plan.groups for one in group.volumes}
    assert in_hu[rows[place]["sub_stack_digest"]]
    assert {in_hu[row["sub_stack_digest"]] for row in rows if row["label"].startswith("MR")} == {
        False
    }
