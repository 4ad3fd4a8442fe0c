"""A volume on patient axes without a copy, and the small pictures of it that metrics look at. Pure.

A CT of 512 x 512 x 100 has 26 million voxels: nothing but the sample that a metric needs is kept,
or ever made a floating-point number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.measure.voxels import Asked, Block, HeldVoxels, Steps, Voxels

FloatArray = NDArray[np.float32]
Affine = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

AXIAL = 2
#: A stack is axial when its axes leave those of the patient by less than this.
_OBLIQUE_DEG = 10.0


@dataclass(frozen=True)
class Volume:
    """Voxels of one NIfTI on the closest patient axes.

    Parameters
    ----------
    voxels : Voxels
        Stored numbers; indices grow to the patient's right, front and head (RAS+).
    slope, intercept : float
        Value = stored * slope + intercept: HU of a CT, arbitrary units of an MR.
    spacing_mm : tuple of float
        Along x, y, z.
    origin_mm : tuple of float
        Centre of voxel (0, 0, 0), RAS.
    through : int
        The axis across the slices as acquired: 0 sagittal, 1 coronal, 2 axial.
    oblique_deg : float
        Largest angle between an axis of the grid and the patient's.
    encoding_axis : int or None
        Axis of the phase encoding in the plane; None where nothing says it.
    """

    voxels: Voxels
    slope: float
    intercept: float
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    through: int
    oblique_deg: float = 0.0
    encoding_axis: int | None = None

    @property
    def is_axial(self) -> bool:
        """Whether the slices are axial, or nearly so."""
        return self.through == AXIAL and self.oblique_deg < _OBLIQUE_DEG

    @property
    def n_slices(self) -> int:
        """Slices of one volume."""
        return self.voxels.shape[self.through]

    @property
    def n_volumes(self) -> int:
        """Volumes of a 4D image, else 1."""
        return self.voxels.shape[3]

    def values(self, stored: NDArray[np.generic]) -> FloatArray:
        """Return stored numbers as values."""
        scaled = stored.astype(np.float32)
        if self.slope not in (0.0, 1.0):
            scaled *= np.float32(self.slope)
        if self.intercept:
            scaled += np.float32(self.intercept)
        return scaled


@dataclass(frozen=True)
class Turn:
    """How the axes of a file lie along those of the patient.

    `grid_of[world]` is the file's axis along x, y or z of the patient, `flipped[world]` whether
    it runs backwards; spacing, origin, `through` and `oblique_deg` as in `Volume`.
    """

    grid_of: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    through: int
    oblique_deg: float

    def seen(self, four: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return voxels (i, j, k, volumes) of the file as (x, y, z, volumes), a view."""
        steps = tuple(slice(None, None, -1 if flipped else 1) for flipped in self.flipped)
        return four.transpose(*self.grid_of, 3)[steps]


def turn_of(shape: Sequence[int], affine_ras: Affine) -> Turn:
    """Return how an image lies.

    Parameters
    ----------
    shape : sequence of int
        Along i, j, k of the file.
    affine_ras : float array, shape (4, 4)
        Voxel indices to millimetres, RAS.

    Raises
    ------
    ValueError
        If two axes of the grid lie along one of the patient's.
    """
    columns = affine_ras[:3, :3]
    spacing = np.linalg.norm(columns, axis=0)
    unit = columns / spacing
    world_of = [int(np.argmax(np.abs(unit[:, axis]))) for axis in range(3)]
    if sorted(world_of) != [0, 1, 2]:
        raise ValueError("two axes of the grid lie along one axis of the patient")
    grid_of = [world_of.index(world) for world in range(3)]
    origin = affine_ras[:3, 3].copy()
    for world, axis in enumerate(grid_of):
        if unit[world, axis] < 0:
            origin += columns[:, axis] * (shape[axis] - 1)
    lean = max(np.degrees(np.arccos(min(1.0, abs(unit[w, a])))) for w, a in enumerate(grid_of))
    x, y, z = grid_of
    return Turn(
        grid_of=(x, y, z),
        flipped=(bool(unit[0, x] < 0), bool(unit[1, y] < 0), bool(unit[2, z] < 0)),
        spacing_mm=(float(spacing[x]), float(spacing[y]), float(spacing[z])),
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        through=world_of[2],
        oblique_deg=float(lean),
    )


def turned_volume(
    voxels: Voxels,
    turn: Turn,
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
    encoding: str | None = None,
) -> Volume:
    """Return a volume of voxels that lie on patient axes already; the rest as `patient_axes`."""
    letter = (encoding or "")[:1]
    return Volume(
        voxels=voxels,
        slope=slope,
        intercept=intercept,
        spacing_mm=turn.spacing_mm,
        origin_mm=turn.origin_mm,
        through=turn.through,
        oblique_deg=turn.oblique_deg,
        encoding_axis=(
            turn.grid_of.index("ij".index(letter)) if letter and letter in "ij" else None
        ),
    )


def patient_axes(
    stored: NDArray[np.generic],
    affine_ras: Affine,
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
    encoding: str | None = None,
) -> Volume:
    """Return a volume with its axes turned to the patient's by views alone.

    Parameters
    ----------
    stored : array, shape (i, j, k) or (i, j, k, volumes)
        As the file has it.
    affine_ras : float array, shape (4, 4)
        Voxel indices to millimetres, RAS.
    slope, intercept : float
        Of the NIfTI header; a slope of 0 means none (nifti1.h).
    encoding : str, optional
        `i` or `j`, the axis of the phase encoding in the file, with or without a sign.

    Raises
    ------
    ValueError
        If two axes of the grid lie along one of the patient's.
    """
    four = stored if stored.ndim == 4 else stored.reshape(*stored.shape[:3], -1, order="F")
    turn = turn_of(four.shape, affine_ras)
    held = HeldVoxels(turn.seen(four), turn.through)
    return turned_volume(held, turn, slope=slope, intercept=intercept, encoding=encoding)


def chosen_slices(n_slices: int, wanted: int, *, inner: float = 1.0) -> list[int]:
    """Return up to `wanted` slice numbers, evenly spread over the inner share of a stack."""
    margin = (1.0 - inner) / 2.0 * (n_slices - 1)
    places = np.linspace(margin, n_slices - 1 - margin, min(wanted, n_slices))
    return sorted({round(float(place)) for place in places})


def slice_values(volume: Volume, number: int, *, of: int = 0) -> FloatArray:
    """Return the values of one slice as acquired, on the two patient axes that are left."""
    return volume.values(volume.voxels.plane(number, of))


@dataclass(frozen=True)
class Grid:
    """Values on a coarse grid along patient axes; `origin_mm` is the centre of voxel (0, 0, 0)."""

    values: FloatArray
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]


@dataclass(frozen=True)
class _Coarse:
    """How a volume is cut into blocks, and which voxels of each are its samples."""

    steps: tuple[int, ...]
    shape: tuple[int, ...]
    offsets: tuple[tuple[int, ...], ...]

    def blocks(self) -> list[Block]:
        """Return the samples of all blocks, in the order in which they are added."""
        ends = [n * step for n, step in zip(self.shape, self.steps, strict=True)]
        x, y, z = (
            [Steps(begin, begin + end, step) for begin in offsets]
            for offsets, end, step in zip(self.offsets, ends, self.steps, strict=True)
        )
        return [(a, b, c) for a in x for b in y for c in z]


def _coarse(volume: Volume, step_mm: float) -> _Coarse:
    steps = tuple(max(1, round(step_mm / s)) for s in volume.spacing_mm)
    axes = zip(volume.voxels.shape, steps, strict=False)
    return _Coarse(
        steps,
        tuple(max(1, n // step) for n, step in axes),
        tuple((0,) if step == 1 else (0, step // 2) for step in steps),
    )


def expect_grid(asked: Asked, volume: Volume, step_mm: float, *, of: Sequence[int] = (0,)) -> None:
    """Add what `coarse_grid` asks for."""
    asked.blocks |= {(block, t) for t in of for block in _coarse(volume, step_mm).blocks()}


def coarse_grid(volume: Volume, step_mm: float, *, of: int | None = 0) -> Grid:
    """Return the volume at about `step_mm`, each point the mean of eight samples of its block.

    A mean of the whole block would touch every voxel; samples half a block apart do not, and
    take out most of the noise. `of` None is the mean over the volumes of a 4D image.
    """
    coarse = _coarse(volume, step_mm)
    which: Sequence[int] = range(volume.n_volumes) if of is None else (of,)
    total = np.zeros(coarse.shape, dtype=np.float32)
    n = 0
    for t in which:
        for block in coarse.blocks():
            total += volume.voxels.block(block, t).astype(np.float32)
            n += 1
    total /= n
    middle = [float(np.mean(offset)) for offset in coarse.offsets]
    origin = tuple(
        o + m * s for o, m, s in zip(volume.origin_mm, middle, volume.spacing_mm, strict=True)
    )
    spacing = tuple(s * step for s, step in zip(volume.spacing_mm, coarse.steps, strict=True))
    return Grid(
        volume.values(total),
        (spacing[0], spacing[1], spacing[2]),
        (origin[0], origin[1], origin[2]),
    )
