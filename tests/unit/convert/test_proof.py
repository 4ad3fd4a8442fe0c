"""The proof believes nothing: one wrong voxel, corner, scale or b-value and it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.dicom.features import read_features
from schemas.dicom.sub_stacks import SubStack, split_series
from tasks.convert import proof as proof_module
from tasks.convert.codes import Code
from tasks.convert.proof import Converted, Proof, ReadPlane, prove, same_integers
from tasks.convert.source import PixelFacts
from tests.builders import COLUMNS, ROWS, SPACING_MM, make_instance

N_SLICES, N_VOLUMES = 5, 2
Case = tuple[SubStack, dict[str, PixelFacts], Converted, ReadPlane]


@pytest.fixture
def case() -> Case:
    """A diffusion series and the NIfTI that a faithful converter writes of it."""
    slices = []
    for volume in range(N_VOLUMES):
        for n in range(1, N_SLICES + 1):
            number = volume * N_SLICES + n
            data = make_instance(instance=number, modality="MR", DiffusionBValue=500.0 * volume)
            data.ImagePositionPatient = [-25.0, -20.0, SPACING_MM * n]
            slices.append(data)
    (stack,) = split_series([read_features(data) for data in slices])
    stored = {
        str(d.SOPInstanceUID): np.frombuffer(d.PixelData, "<u2").reshape(ROWS, COLUMNS)
        for d in slices
    }
    voxels = np.zeros((COLUMNS, ROWS, N_SLICES, N_VOLUMES), dtype="<u2", order="F")
    for i, member in enumerate(stack.members):
        voxels[:, ::-1, i // N_VOLUMES, i % N_VOLUMES] = stored[str(member.sop_uid)].T
    affine = np.array(
        [
            [-1.25, 0, 0, 25.0],
            [0, 1.0, 0, 20.0 - (ROWS - 1)],
            [0, 0, SPACING_MM, SPACING_MM],
            [0, 0, 0, 1],
        ]
    )

    def read_plane(member: int, tile: int) -> NDArray[np.generic]:
        assert tile == 0
        return stored[str(stack.members[member].sop_uid)]

    facts = {uid: PixelFacts(sop_uid=uid, rows=ROWS, columns=COLUMNS) for uid in stored}
    return stack, facts, Converted(voxels, affine, 1.0, 0.0, (0.0, 500.0)), read_plane


def codes(case: Case, converted: Converted) -> list[Code]:
    stack, facts, _, read_plane = case
    return [fault.code for fault in prove(stack, facts, converted, read_plane).faults]


def changed(case: Case, *voxel: int) -> Converted:
    data = case[2].data.copy(order="F")
    data[voxel] = data[voxel] + 1
    return replace(case[2], data=data)


def test_a_faithful_image_is_proven(case: Case) -> None:
    stack, facts, converted, read_plane = case
    proof = prove(stack, facts, converted, read_plane)
    assert (proof.faults, proof.b_values) == ((), (0.0, 500.0))
    assert sorted(uid for volume in proof.planes for uid in volume) == sorted(facts)


def test_one_changed_voxel_is_seen_and_its_instance_named(case: Case) -> None:
    stack, facts, _, read_plane = case
    (fault,) = prove(stack, facts, changed(case, 3, 2, 4, 1), read_plane).faults
    last = next(m for m in stack.members if m.instance_number == 2 * N_SLICES)
    assert (fault.code, fault.instances) == (Code.PIXELS_DIFFER, (last.sop_uid,))


def test_volumes_in_another_order_are_found_but_not_their_b_values(case: Case) -> None:
    data = np.asfortranarray(case[2].data[..., ::-1])
    swapped = replace(case[2], data=data)
    assert codes(case, swapped) == [Code.B_VALUES_DIFFER]
    assert codes(case, replace(swapped, b_values=(500.0, 0.0))) == []


def test_planes_swapped_between_volumes_are_seen(case: Case) -> None:
    data = case[2].data.copy(order="F")
    data[:, :, 2, :] = data[:, :, 2, ::-1]
    assert Code.VOLUMES_MIXED in codes(case, replace(case[2], data=data))


@pytest.mark.parametrize("shape", [(20, 16, 4, 2), (20, 16, 5, 1), (16, 20, 5, 2)])
def test_another_number_of_planes_is_refused(case: Case, shape: tuple[int, ...]) -> None:
    data = np.zeros(shape, dtype="<u2", order="F")
    assert codes(case, replace(case[2], data=data)) == [Code.PLANES_DIFFER]


@pytest.mark.parametrize(("slope", "intercept"), [(2.0, 0.0), (1.0, 1.0), (float("nan"), 0.0)])
def test_another_scale_is_refused(case: Case, slope: float, intercept: float) -> None:
    scaled = replace(case[2], slope=slope, intercept=intercept)
    assert codes(case, scaled) == [Code.SCALING_DIFFERS]


@pytest.mark.parametrize("b_values", [(0.0, 499.0), (0.0,), (500.0, 0.0)])
def test_other_b_values_are_refused(case: Case, b_values: tuple[float, ...]) -> None:
    assert codes(case, replace(case[2], b_values=b_values)) == [Code.B_VALUES_DIFFER]


@pytest.mark.parametrize(("row", "column"), [(0, 3), (2, 2), (1, 1)])
def test_an_affine_that_is_off_is_fitted_anew(case: Case, row: int, column: int) -> None:
    affine = case[2].affine_ras.copy()
    affine[row, column] += 0.15
    stack, facts, converted, read_plane = case
    proof = prove(stack, facts, replace(converted, affine_ras=affine), read_plane)
    assert [fault.code for fault in proof.faults] == [Code.AFFINE_REFITTED]
    assert np.allclose(proof.affine_ras, converted.affine_ras, atol=1e-4)


@pytest.mark.parametrize("deeper", [0.9, 1.5])
def test_a_single_slice_as_deep_as_its_header_does_not_say_is_fitted_anew(deeper: float) -> None:
    data = make_instance(modality="MR", SpacingBetweenSlices=6.5, SliceThickness=5.0)
    (stack,) = split_series([read_features(data)])
    stored = np.frombuffer(data.PixelData, "<u2").reshape(ROWS, COLUMNS)
    x, y, z = (float(value) for value in data.ImagePositionPatient)
    affine = np.array([[-1.25, 0, 0, -x], [0, -1.0, 0, -y], [0, 0, 6.5, z], [0, 0, 0, 1]])
    uid = str(data.SOPInstanceUID)
    facts = {uid: PixelFacts(sop_uid=uid, rows=ROWS, columns=COLUMNS)}
    voxels = np.asfortranarray(stored.T[:, :, None, None])

    def proven(affine_ras: NDArray[np.float64]) -> Proof:
        return prove(stack, facts, Converted(voxels, affine_ras, 1.0, 0.0, None), lambda *_: stored)

    assert proven(affine).faults == ()
    wrong = affine.copy()
    wrong[2, 2] *= deeper
    proof = proven(wrong)
    assert [fault.code for fault in proof.faults] == [Code.AFFINE_REFITTED]
    assert np.allclose(proof.affine_ras, affine)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_affine_does_not_pass(case: Case, axis: int) -> None:
    affine = case[2].affine_ras.copy()
    affine[:3, axis] *= -1
    assert codes(case, replace(case[2], affine_ras=affine)) == [Code.PIXELS_DIFFER]


def test_a_singular_affine_is_refused(case: Case) -> None:
    affine = case[2].affine_ras.copy()
    affine[:, 2] = 0
    assert codes(case, replace(case[2], affine_ras=affine)) == [Code.GEOMETRY_DIFFERS]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.array([0, 7, 32767], "<u2"), np.array([0, 7, 32767], "<i2")),
        (np.array([0, 7, 40000], "<u2"), np.array([0, 7, 40000 - 65536], "<i2")),
        (np.array([1, 2], ">u2"), np.array([1, 2], "<i2")),
        (np.array([1, 2], "<u2"), np.array([1, 3], "<i2")),
        (np.array([[1, 2]], "<u2"), np.array([1, 2], "<i2")),
        (np.array([5, 250], "u1"), np.array([5, 250], "<i2")),
        (np.array([5, 250], "u1"), np.array([5, -6], "i1")),
        (np.array([4294967295], "<u4"), np.array([-1], "<i4")),
    ],
)
def test_integers_are_compared_by_value_whatever_their_types(
    one: NDArray[np.generic], other: NDArray[np.generic]
) -> None:
    by_value = one.tolist() == other.tolist()
    assert same_integers(one, other) is by_value
    assert same_integers(other, one) is by_value


def test_planes_are_let_go_while_others_are_compared(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_module, "_COMPARED_BYTES", 1)
    stack, facts, converted, read_plane = case
    gone: list[int] = []
    watched = replace(converted, let_go=lambda: gone.append(1))
    assert prove(stack, facts, watched, read_plane).faults == ()
    assert len(gone) == len(stack.members) - 1
