"""Slices that stand twice, and slices that are missing though the geometry does not show it. Pure.

Positions can be written anew over a stack with a hole, and one image can be sent under two
numbers: only the pixels tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.measurements import NoValue
from tasks.measure.result import Measured, none
from tasks.measure.volume import FloatArray, Volume
from tasks.measure.voxels import Asked, Block, Steps

_LEAST_SLICES = 8
#: Every so many pixels are enough to compare neighbours; equal ones are then compared whole.
_SAMPLES_ACROSS = 96
_WINDOW = 3


def repeated_slices(volume: Volume) -> Measured:
    """Return how many slices have, pixel by pixel, the values of the slice before.

    Slices of one value (padding) do not count.
    """
    if volume.n_slices < 2:
        return none(NoValue.TOO_FEW_SLICES)
    return Measured(float(sum(_repeats(volume, of) for of in range(volume.n_volumes))))


def slice_correlation_dip(volume: Volume) -> Measured:
    """Return by how much the least correlated neighbours fall below those around them.

    The correlation of two neighbours changes slowly along a stack; where a slice lacks it dips.
    The value is the largest difference between the median of the three gaps on each side and
    the gap itself. Gaps at the end of a stack have no surroundings and are not looked at.
    """
    if volume.n_slices < _LEAST_SLICES:
        return none(NoValue.TOO_FEW_SLICES)
    r = _neighbour_correlation(_samples(volume, 0))
    if not np.all(np.isfinite(r)):
        return none(NoValue.NO_TISSUE)
    dips = []
    for gap in range(_WINDOW, len(r) - _WINDOW):
        around = np.concatenate([r[gap - _WINDOW : gap], r[gap + 1 : gap + 1 + _WINDOW]])
        dips.append(float(np.median(around) - r[gap]))
    return Measured(max(0.0, *dips)) if dips else none(NoValue.TOO_FEW_SLICES)


def expect(asked: Asked, volume: Volume) -> None:
    """Add what the metrics here ask for, but slices that look repeated: those are rare."""
    asked.blocks |= {(_sampled(volume), of) for of in range(volume.n_volumes)}


def _sampled(volume: Volume) -> Block:
    """Return every n-th pixel of every slice."""
    sizes = volume.voxels.shape[:3]
    x, y, z = (
        Steps(0, n, 1 if axis == volume.through else max(1, n // _SAMPLES_ACROSS))
        for axis, n in enumerate(sizes)
    )
    return x, y, z


def _samples(volume: Volume, of: int) -> FloatArray:
    """Return every n-th pixel of every slice, shape (slices, pixels)."""
    some = np.moveaxis(volume.voxels.block(_sampled(volume), of), volume.through, 0)
    return some.reshape(len(some), -1).astype(np.float32)


def _repeats(volume: Volume, of: int) -> int:
    some, plane = _samples(volume, of), volume.voxels.plane
    told = some.max(axis=1) > some.min(axis=1)
    alike = np.all(some[1:] == some[:-1], axis=1) & told[1:]
    return sum(
        bool(np.array_equal(plane(place, of), plane(place + 1, of)))
        for place in np.flatnonzero(alike).tolist()
    )


def _neighbour_correlation(some: FloatArray) -> NDArray[np.float64]:
    centred = (some - some.mean(axis=1, keepdims=True)).astype(np.float64)
    size = np.sqrt((centred**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (centred[1:] * centred[:-1]).sum(axis=1) / (size[1:] * size[:-1])
    return np.asarray(r, dtype=np.float64)
