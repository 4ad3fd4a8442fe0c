"""Where every source plane lies, and which NIfTI plane it must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.frames import member_key
from schemas.dicom.sub_stacks import SubStack, distinct_positions, slice_positions_mm
from tasks.convert.mosaic import Mosaic
from tasks.convert.plan import fit_line
from tasks.convert.source import PixelFacts, tile_origin_lps, unit_axes_lps

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

#: A source corner may lie this far from a whole voxel (design goal of the proof).
CORNER_TOLERANCE_VOXEL = 0.05
CORNER_TOLERANCE_MM = 0.1
_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class SourceGrid:
    """All planes of one sub-stack; n planes of `shape` (rows, columns).

    `member` and `tile` say where a plane's pixels are, `rank` is its place along the normal
    (row direction x column direction), `turn` its place among the planes of that rank in
    the order of the members. `origin_ras` is the centre of its first pixel, shape (n, 3);
    `axes_ras` the vectors of one step along a row, one step down a column and one rank,
    shape (3, 3), one axis a row, in mm, NIfTI RAS.
    """

    shape: tuple[int, int]
    member: IntArray
    tile: IntArray
    rank: IntArray
    turn: IntArray
    origin_ras: FloatArray
    axes_ras: FloatArray
    in_plane_ras: FloatArray

    @property
    def n_ranks(self) -> int:
        """Slices of one volume."""
        return int(self.rank.max()) + 1

    @property
    def n_volumes(self) -> int:
        """Volumes of the sub-stack."""
        return int(self.turn.max()) + 1


def source_grid(stack: SubStack, facts: Mapping[str, PixelFacts]) -> SourceGrid:
    """Return the grid of a sub-stack whose plan found no fault that keeps it back."""
    first = stack.members[0]
    mosaic = facts[member_key(first)].mosaic
    axes = unit_axes_lps(first.orientation_lps)
    if mosaic is not None:
        return _mosaic_grid(stack, mosaic, axes)
    _, rank = distinct_positions(slice_positions_mm(stack.members))
    points = np.asarray([m.position_lps for m in stack.members], dtype=np.float64)
    line = fit_line(rank.astype(np.float64), points)
    step = axes[2] * (first.spacing_between_slices_mm or first.slice_thickness_mm or 1.0)
    if rank.max() > 0:
        step = (line[int(rank.argmax())] - line[int(rank.argmin())]) / float(rank.max())
    n_members = len(stack.members)
    return _grid(
        stack,
        shape=(first.rows or 0, first.columns or 0),
        member=np.arange(n_members),
        tile=np.zeros(n_members, dtype=np.intp),
        rank=rank,
        origin_lps=points,
        step_lps=step,
    )


def _mosaic_grid(stack: SubStack, mosaic: Mosaic, axes: FloatArray) -> SourceGrid:
    first = stack.members[0]
    whole = (first.rows or 0, first.columns or 0)
    shape = (whole[0] // mosaic.n_across, whole[1] // mosaic.n_across)
    step = np.asarray(mosaic.step_lps)
    tiles = np.arange(mosaic.n_tiles)
    ascending = bool(step @ axes[2] > 0)
    rank = tiles if ascending else tiles[::-1]
    origins = []
    for m in stack.members:
        corner = tile_origin_lps(
            np.asarray(m.position_lps),
            np.asarray(m.orientation_lps),
            np.asarray(m.pixel_spacing_mm),
            whole,
            shape,
        )
        origins.append(corner + np.outer(tiles, step))
    n_members = len(stack.members)
    return _grid(
        stack,
        shape=shape,
        member=np.repeat(np.arange(n_members), mosaic.n_tiles),
        tile=np.tile(tiles, n_members),
        rank=np.tile(rank, n_members),
        origin_lps=np.vstack(origins),
        step_lps=step if ascending else -step,
    )


def _grid(
    stack: SubStack,
    *,
    shape: tuple[int, int],
    member: IntArray,
    tile: IntArray,
    rank: IntArray,
    origin_lps: FloatArray,
    step_lps: FloatArray,
) -> SourceGrid:
    orientation = np.reshape([m.orientation_lps for m in stack.members], (-1, 2, 3))
    # PixelSpacing is (between rows, between columns): a step along a row crosses columns.
    spacing = np.asarray([m.pixel_spacing_mm[::-1] for m in stack.members])
    in_plane = (orientation * spacing[:, :, None])[member] * _LPS_TO_RAS
    axes = np.vstack([in_plane.mean(axis=0), step_lps * _LPS_TO_RAS])
    turn = np.zeros_like(rank)
    seen: dict[int, int] = {}
    for i, place in enumerate(rank.tolist()):
        turn[i] = seen.get(place, 0)
        seen[place] = int(turn[i]) + 1
    origin = origin_lps * _LPS_TO_RAS
    return SourceGrid(shape, member, tile, rank, turn, origin, axes, in_plane)


@dataclass(frozen=True)
class AxisMap:
    """How source axes (column index, row index, rank) lie in the NIfTI array.

    `axis[i]` is the NIfTI axis of source axis i; `flipped[i]` whether it runs backwards.
    """

    axis: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def source_view(self, data: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return a (x, y, z, t) array as a view (column, row, rank, t); nothing is copied."""
        view = np.transpose(data, (*self.axis, 3))
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)
        return view[steps]

    def voxels(self, indices: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        """Return voxel indices (..., 3) of source indices (..., 3) in an array of `shape`."""
        voxels = np.empty_like(indices)
        for source, (axis, flip) in enumerate(zip(self.axis, self.flipped, strict=True)):
            along = indices[..., source]
            voxels[..., axis] = shape[axis] - 1 - along if flip else along
        return voxels


def map_axes(grid: SourceGrid, affine_ras: FloatArray) -> AxisMap | None:
    """Match source axes to NIfTI axes by direction alone; None when they do not pair up."""
    columns = affine_ras[:3, :3].T
    with np.errstate(all="ignore"):
        ours = grid.axes_ras / np.linalg.norm(grid.axes_ras, axis=1, keepdims=True)
        theirs = columns / np.linalg.norm(columns, axis=1, keepdims=True)
    cosines = ours @ theirs.T
    if not np.isfinite(cosines).all():
        return None
    a, b, c = (int(i) for i in np.abs(cosines).argmax(axis=1))
    if sorted((a, b, c)) != [0, 1, 2]:
        return None
    x, y, z = (bool(cosines[i, axis] < 0) for i, axis in enumerate((a, b, c)))
    return AxisMap((a, b, c), (x, y, z))


def corners_fit(
    grid: SourceGrid, axes: AxisMap, affine_ras: FloatArray, shape: tuple[int, ...]
) -> bool:
    """Return whether every corner of every source plane lies on its whole voxel.

    Parameters
    ----------
    affine_ras : float array, shape (4, 4)
        Voxel index to mm, NIfTI RAS.
    shape : tuple of int
        Of the NIfTI array, x, y, z first.

    Notes
    -----
    DICOM PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1, each plane with its own position,
    orientation and spacing.
    """
    rows, columns = grid.shape
    corner = np.array([(c, r) for c in (0, columns - 1) for r in (0, rows - 1)], dtype=np.float64)
    true_mm = grid.origin_ras[:, None, :] + np.einsum("kc,ncd->nkd", corner, grid.in_plane_ras)
    indices = np.empty((*true_mm.shape[:2], 3))
    indices[..., :2] = corner
    indices[..., 2] = grid.rank[:, None]
    off_mm = true_mm - (axes.voxels(indices, shape) @ affine_ras[:3, :3].T + affine_ras[:3, 3])
    off_voxel = off_mm @ np.linalg.inv(affine_ras[:3, :3]).T
    return bool(
        np.linalg.norm(off_mm, axis=-1).max() <= CORNER_TOLERANCE_MM
        and np.abs(off_voxel).max() <= CORNER_TOLERANCE_VOXEL
    )


def fitted_affine_ras(grid: SourceGrid, axes: AxisMap, shape: tuple[int, ...]) -> FloatArray:
    """Return the affine (4, 4) that fits all source planes best, in the NIfTI's axis order."""
    steps = grid.rank.astype(np.float64)
    origin = (grid.origin_ras - np.outer(steps, grid.axes_ras[2])).mean(axis=0)
    matrix = np.eye(4)
    for source, (axis, flip) in enumerate(zip(axes.axis, axes.flipped, strict=True)):
        step = grid.axes_ras[source]
        matrix[:3, axis] = -step if flip else step
        if flip:
            origin = origin + step * (shape[axis] - 1)
    matrix[:3, 3] = origin
    return matrix
