"""A volume on patient axes without a copy, and the small pictures of it that metrics look at. Pure.

A CT of 512 x 512 x 100 has 26 million voxels: it is read once, and nothing but the sample that
a metric needs is ever made a floating-point number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    stored : array, shape (x, y, z, volumes)
        Stored numbers, a view; indices grow to the patient's right, front and head (RAS+).
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

    stored: NDArray[np.generic]
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
        return int(self.stored.shape[self.through])

    def values(self, stored: NDArray[np.generic]) -> FloatArray:
        """Return stored numbers as values."""
        scaled = stored.astype(np.float32)
        if self.slope not in (0.0, 1.0):
            scaled *= np.float32(self.slope)
        if self.intercept:
            scaled += np.float32(self.intercept)
        return scaled


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
    columns = affine_ras[:3, :3]
    spacing = np.linalg.norm(columns, axis=0)
    unit = columns / spacing
    world_of = [int(np.argmax(np.abs(unit[:, axis]))) for axis in range(3)]
    if sorted(world_of) != [0, 1, 2]:
        raise ValueError("two axes of the grid lie along one axis of the patient")
    grid_of = [world_of.index(world) for world in range(3)]
    turned = four.transpose(*grid_of, 3)
    origin = affine_ras[:3, 3].copy()
    for world, axis in enumerate(grid_of):
        if unit[world, axis] < 0:
            turned = np.flip(turned, axis=world)
            origin += columns[:, axis] * (four.shape[axis] - 1)
    lean = max(np.degrees(np.arccos(min(1.0, abs(unit[w, a])))) for w, a in enumerate(grid_of))
    x, y, z = (float(spacing[axis]) for axis in grid_of)
    letter = (encoding or "")[:1]
    return Volume(
        stored=turned,
        slope=slope,
        intercept=intercept,
        spacing_mm=(x, y, z),
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        through=world_of[2],
        oblique_deg=float(lean),
        encoding_axis=world_of["ij".index(letter)] if letter and letter in "ij" else None,
    )


def chosen_slices(n_slices: int, wanted: int, *, inner: float = 1.0) -> list[int]:
    """Return up to `wanted` slice numbers, evenly spread over the inner share of a stack."""
    margin = (1.0 - inner) / 2.0 * (n_slices - 1)
    places = np.linspace(margin, n_slices - 1 - margin, min(wanted, n_slices))
    return sorted({round(float(place)) for place in places})


def slice_values(volume: Volume, number: int, *, of: int = 0) -> FloatArray:
    """Return the values of one slice as acquired, on the two patient axes that are left."""
    # A view: taking along an axis would copy the whole volume for every slice.
    return volume.values(np.moveaxis(volume.stored[..., of], volume.through, 0)[number])


@dataclass(frozen=True)
class Grid:
    """Values on a coarse grid along patient axes; `origin_mm` is the centre of voxel (0, 0, 0)."""

    values: FloatArray
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]


def coarse_grid(volume: Volume, step_mm: float, *, of: int | None = 0) -> Grid:
    """Return the volume at about `step_mm`, each point the mean of eight samples of its block.

    A mean of the whole block would touch every voxel; samples half a block apart do not, and
    take out most of the noise. `of` None is the mean over the volumes of a 4D image.
    """
    steps = [max(1, round(step_mm / s)) for s in volume.spacing_mm]
    shape = [max(1, n // step) for n, step in zip(volume.stored.shape[:3], steps, strict=True)]
    offsets = [(0,) if step == 1 else (0, step // 2) for step in steps]
    which: Sequence[int] = range(volume.stored.shape[3]) if of is None else (of,)
    total = np.zeros(shape, dtype=np.float32)
    n = 0
    for t in which:
        for x in offsets[0]:
            for y in offsets[1]:
                for z in offsets[2]:
                    part = volume.stored[
                        x : x + shape[0] * steps[0] : steps[0],
                        y : y + shape[1] * steps[1] : steps[1],
                        z : z + shape[2] * steps[2] : steps[2],
                        t,
                    ]
                    total += part.astype(np.float32)
                    n += 1
    total /= n
    middle = [float(np.mean(offset)) for offset in offsets]
    origin = tuple(
        o + m * s for o, m, s in zip(volume.origin_mm, middle, volume.spacing_mm, strict=True)
    )
    spacing = tuple(s * step for s, step in zip(volume.spacing_mm, steps, strict=True))
    return Grid(
        volume.values(total),
        (spacing[0], spacing[1], spacing[2]),
        (origin[0], origin[1], origin[2]),
    )
