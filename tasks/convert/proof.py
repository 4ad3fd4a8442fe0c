"""Proof that a NIfTI holds its source: planes, pixels, scaling, geometry, b-values.

The converter is not believed in anything: its array is compared with the source files plane
by plane, its affine corner by corner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.frames import member_key
from schemas.dicom.sub_stacks import SubStack
from tasks.convert.codes import Code
from tasks.convert.gradients import proven_directions
from tasks.convert.grid import (
    CORNER_TOLERANCE_MM,
    CORNER_TOLERANCE_VOXEL,
    AxisMap,
    SourceGrid,
    corners_fit,
    fitted_affine_ras,
    map_axes,
    source_grid,
)
from tasks.convert.source import PixelFacts
from tasks.convert.verdict import Fault

FloatArray = NDArray[np.float64]
ReadPlane = Callable[[int, int], NDArray[np.generic]]
"""Stored values of member i, tile k of the sub-stack, shape (rows, columns)."""

#: Raised when the proof comes to see more: what an earlier one proved is proven anew.
PROOF_EDITION = 2
_REAL_TOLERANCE = 1e-5
_B_VALUE_TOLERANCE = 0.5
#: So much of an image is looked at before it is let go.
_COMPARED_BYTES = 16 << 20


@dataclass(frozen=True)
class Converted:
    """What the converter wrote, before anything of it is believed.

    `data` has shape (x, y, z, t) in Fortran order; `affine_ras` shape (4, 4), voxel index to
    mm; `b_values` as in the `.bval` file, None without one; `directions` as in the `.bvec`
    file, shape (3, t), None without one. `let_go` may be called after any look at `data`: what
    is mapped from a file then takes no memory until it is looked at again.
    """

    data: NDArray[np.generic]
    affine_ras: FloatArray
    slope: float
    intercept: float
    b_values: tuple[float, ...] | None
    directions: FloatArray | None = None
    let_go: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Proof:
    """Outcome of the comparison.

    Without a fault every plane is proven. `affine_ras` is the proven affine, which is the
    converter's unless AFFINE_REFITTED is among the faults. `planes` names the instance or
    frame (`UID#number`) of each NIfTI plane, volume by volume, slices in source rank order;
    `b_values` are the vendor's, in the order of the volumes, empty when no file has one;
    `directions` are proven ones in the form of a `.bvec` file, shape (3, volumes).
    """

    faults: tuple[Fault, ...]
    affine_ras: FloatArray
    planes: tuple[tuple[str, ...], ...] = ()
    b_values: tuple[float, ...] = ()
    directions: FloatArray | None = None


def scaling_of(stack: SubStack, facts: Mapping[str, PixelFacts]) -> dict[str, object]:
    """Return how stored values become real ones, as provenance states it.

    Mode `rescale`: one slope and intercept, in the NIfTI header. `philips_display`: the same,
    of a Philips image, whose floating-point values are the stored ones over the scale slope.
    `per_plane`: slope or intercept change, the NIfTI holds real values. Each pair once,
    sorted.
    """
    members = [facts[member_key(m)] for m in stack.members]
    pairs = sorted({(fact.slope, fact.intercept) for fact in members})
    philips = sorted({f.philips_slope for f in members if f.philips_slope is not None})
    mode = "per_plane" if len(pairs) > 1 else "philips_display" if philips else "rescale"
    return {
        "mode": mode,
        "rescale": [list(pair) for pair in pairs],
        "philips_scale_slopes": philips,
    }


def prove(
    stack: SubStack,
    facts: Mapping[str, PixelFacts],
    converted: Converted,
    read_plane: ReadPlane,
) -> Proof:
    """Compare one NIfTI with the sub-stack it should hold.

    Parameters
    ----------
    stack : SubStack
        Planned without a fault that keeps it back.
    facts : mapping of member key to PixelFacts
        One for each member.
    converted : Converted
        The converter's output.
    read_plane : callable
        Gives the stored values of a member's plane; asked once or twice for each.
    """
    grid = source_grid(stack, facts)
    axes = map_axes(grid, converted.affine_ras)
    if axes is None:
        return _refused(Code.GEOMETRY_DIFFERS, converted)
    view = axes.source_view(converted.data)
    rows, columns = grid.shape
    if view.shape != (columns, rows, grid.n_ranks, grid.n_volumes):
        return _refused(Code.PLANES_DIFFER, converted)
    scaling = _Scaling.of(stack, facts, converted)
    if scaling is None:
        return _refused(Code.SCALING_DIFFERS, converted)
    volume, unlike = _match_planes(grid, view, scaling, _in_little_memory(read_plane, converted))
    if unlike:
        uids = tuple(sorted({stack.members[grid.member[i]].sop_uid or "" for i in unlike}))
        code = Code.PIXELS_DIFFER if scaling.exact else Code.SCALING_DIFFERS
        return _refused(code, converted, uids)
    return _prove_order(stack, facts, grid, axes, converted, volume)


def _refused(code: Code, converted: Converted, instances: tuple[str, ...] = ()) -> Proof:
    return Proof((Fault(code, instances),), converted.affine_ras)


@dataclass(frozen=True)
class _Scaling:
    """How stored values of a member compare with the array: as integers or as real values."""

    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]
    exact: bool
    slope: float
    intercept: float

    @classmethod
    def of(
        cls, stack: SubStack, facts: Mapping[str, PixelFacts], converted: Converted
    ) -> _Scaling | None:
        members = [facts[member_key(m)] for m in stack.members]
        slopes = tuple(fact.slope for fact in members)
        intercepts = tuple(fact.intercept for fact in members)
        if not np.isfinite([*slopes, *intercepts, converted.slope, converted.intercept]).all():
            return None
        exact = len(set(zip(slopes, intercepts, strict=True))) == 1
        # NIfTI keeps both in single precision.
        same = np.allclose(
            (converted.slope, converted.intercept), (slopes[0], intercepts[0]), rtol=1e-6, atol=1e-6
        )
        if exact and not (same and converted.data.dtype.kind in "iu"):
            return None
        return cls(slopes, intercepts, exact, converted.slope, converted.intercept)

    def agrees(self, member: int, stored: NDArray[np.generic], plane: NDArray[np.generic]) -> bool:
        if self.exact:
            return same_integers(stored, plane)
        real = stored.astype(np.float64) * self.slopes[member] + self.intercepts[member]
        theirs = plane.astype(np.float64) * self.slope + self.intercept
        limit = _REAL_TOLERANCE * max(float(np.abs(real).max()), 1e-30)
        return bool(np.abs(real - theirs).max() <= limit)


def same_integers(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Return whether two arrays hold the same integers, whatever their types.

    Of a signed and an unsigned type of one size none is made wider: their bits are compared,
    and a set sign, which stands for a number that the other type does not have, tells them apart.
    """
    kinds = {one.dtype.kind, other.dtype.kind}
    alike = one.dtype.itemsize == other.dtype.itemsize and kinds == {"i", "u"}
    if not (alike and one.dtype.isnative and other.dtype.isnative):
        return bool(np.array_equal(one, other))
    signed = one if one.dtype.kind == "i" else other
    return bool(np.array_equal(one.view(other.dtype), other) and signed.min(initial=0) >= 0)


def _in_little_memory(read_plane: ReadPlane, converted: Converted) -> ReadPlane:
    """Let go of the converted planes that were compared, again and again."""
    left = _COMPARED_BYTES

    def read(member: int, tile: int) -> NDArray[np.generic]:
        nonlocal left
        if left <= 0:
            converted.let_go()
            left = _COMPARED_BYTES
        stored = read_plane(member, tile)
        left -= stored.nbytes
        return stored

    return read


def _match_planes(
    grid: SourceGrid, view: NDArray[np.generic], scaling: _Scaling, read_plane: ReadPlane
) -> tuple[NDArray[np.intp], list[int]]:
    """Find for each source plane its volume, one to one; and the planes that have none."""
    volume = np.full(grid.rank.size, -1, dtype=np.intp)
    free = [set(range(grid.n_volumes)) for _ in range(grid.n_ranks)]
    late: list[int] = []
    for i, (rank, turn) in enumerate(zip(grid.rank.tolist(), grid.turn.tolist(), strict=True)):
        member = int(grid.member[i])
        stored = read_plane(member, int(grid.tile[i]))
        if scaling.agrees(member, stored, view[:, :, rank, turn].T):
            volume[i] = turn
            free[rank].discard(turn)
        else:
            late.append(i)
    unlike = []
    for i in late if grid.n_volumes > 1 else ():
        rank, member = int(grid.rank[i]), int(grid.member[i])
        stored = read_plane(member, int(grid.tile[i]))
        fits = [
            t for t in sorted(free[rank]) if scaling.agrees(member, stored, view[:, :, rank, t].T)
        ]
        if not fits:
            unlike.append(i)
            continue
        volume[i] = fits[0]
        free[rank].discard(fits[0])
    return volume, unlike if grid.n_volumes > 1 else late


def _prove_order(
    stack: SubStack,
    facts: Mapping[str, PixelFacts],
    grid: SourceGrid,
    axes: AxisMap,
    converted: Converted,
    volume: NDArray[np.intp],
) -> Proof:
    members: list[list[InstanceFeatures]] = [[] for _ in range(grid.n_volumes)]
    turns: list[set[int]] = [set() for _ in range(grid.n_volumes)]
    for i in np.lexsort((grid.rank, volume)).tolist():
        members[int(volume[i])].append(stack.members[int(grid.member[i])])
        turns[int(volume[i])].add(int(grid.turn[i]))
    faults = []
    if any(len(found) > 1 for found in turns):
        faults.append(Fault(Code.VOLUMES_MIXED))
    b_values, agree = _b_values(members, converted.b_values)
    if not agree:
        faults.append(Fault(Code.B_VALUES_DIFFER))
    affine = converted.affine_ras
    gradients = [[facts[member_key(m)].gradient_lps for m in found] for found in members]
    directions, agree = proven_directions(gradients, b_values, converted.directions, affine)
    if not agree:
        faults.append(Fault(Code.DIRECTIONS_DIFFER))
    shape = converted.data.shape
    if not (corners_fit(grid, axes, affine, shape) and _depth_fits(stack, grid, axes, affine)):
        # NIfTI keeps the affine in single precision: what is written is what is proven.
        fitted = fitted_affine_ras(grid, axes, shape)
        affine = fitted.astype(np.float32).astype(np.float64)
        mended = corners_fit(grid, axes, affine, shape)
        faults.append(Fault(Code.AFFINE_REFITTED if mended else Code.GEOMETRY_DIFFERS))
    planes = tuple(tuple(map(member_key, found)) for found in members)
    return Proof(tuple(faults), affine, planes, b_values, directions)


def _depth_fits(stack: SubStack, grid: SourceGrid, axes: AxisMap, affine_ras: FloatArray) -> bool:
    """Return whether a single slice is as deep as its header says: no other plane tells."""
    first = stack.members[0]
    stated_mm = first.spacing_between_slices_mm or first.slice_thickness_mm or 0.0
    if grid.n_ranks > 1 or stated_mm <= 0.0:
        return True
    depth_mm = float(np.linalg.norm(affine_ras[:3, axes.axis[2]]))
    return abs(depth_mm - stated_mm) <= min(CORNER_TOLERANCE_MM, CORNER_TOLERANCE_VOXEL * stated_mm)


def _b_values(
    volumes: list[list[InstanceFeatures]], written: tuple[float, ...] | None
) -> tuple[tuple[float, ...], bool]:
    """Return the vendor's b-value of each volume and whether nothing contradicts it."""
    found = [{m.b_value for m in members} for members in volumes]
    if any(len(values) > 1 for values in found):
        return (), False
    vendor = tuple(values.pop() for values in found)
    if not any(vendor):
        # Without a vendor's value above zero there is nothing to hold a written one against.
        return (), not any(written or ())
    if written is None:
        known = tuple(value for value in vendor if value is not None)
        return known, len(known) == len(vendor)
    # A b=0 volume may carry no value; then the written one must be zero.
    known = tuple(value or 0.0 for value in vendor)
    agree = len(written) == len(known) and all(
        abs(a - b) <= _B_VALUE_TOLERANCE for a, b in zip(written, known, strict=True)
    )
    return known, agree
