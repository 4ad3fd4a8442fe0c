"""Noise of a CT: how much neighbouring soft tissue differs, most of the time. Pure."""

from __future__ import annotations

import numpy as np

from schemas.measurements import NoValue
from tasks.measure.result import Measured, none
from tasks.measure.volume import FloatArray, Volume, chosen_slices, slice_values
from tasks.measure.voxels import Asked

#: Side of the squares in which the standard deviation is taken.
TILE_MM = 6.0
#: Mean of a square that is soft tissue, native or enhanced, and neither fat nor bone.
SOFT_TISSUE_HU = (0.0, 150.0)
_SLICES = 16
_INNER = 0.6
_LEAST_TILES = 200
_BIN_HU, _LARGEST_HU, _SMOOTH_BINS = 0.25, 100.0, 5


def ct_noise(volume: Volume) -> Measured:
    """Return the global noise level of a CT in HU.

    The standard deviation is taken in squares of 6 mm of sixteen slices of the inner stack; of
    the squares whose mean is soft tissue, the most frequent value counts: edges and vessels
    make a tail, not the mode. Squares lie beside each other, where the source slides one by a
    pixel: the same distribution from fewer samples.

    Notes
    -----
    Christianson et al., AJR 2015;205:W93-W99 (doi 10.2214/AJR.14.13613).
    """
    if not volume.is_axial:
        return none(NoValue.NOT_AXIAL)
    side = tuple(max(3, round(TILE_MM / s)) for s in volume.spacing_mm[:2])
    found = [
        _soft_deviations(slice_values(volume, number), (side[0], side[1]))
        for number in _looked_at(volume)
    ]
    deviations = np.concatenate(found)
    if deviations.size < _LEAST_TILES:
        return none(NoValue.NO_TISSUE)
    return Measured(_mode(deviations))


def expect(asked: Asked, volume: Volume) -> None:
    """Add the slices that `ct_noise` asks for."""
    asked.planes |= {(number, 0) for number in _looked_at(volume)}


def _looked_at(volume: Volume) -> list[int]:
    return chosen_slices(volume.n_slices, _SLICES, inner=_INNER)


def _soft_deviations(values: FloatArray, side: tuple[int, int]) -> FloatArray:
    wide, deep = (n // s for n, s in zip(values.shape, side, strict=True))
    tiles = values[: wide * side[0], : deep * side[1]]
    tiles = tiles.reshape(wide, side[0], deep, side[1])
    mean = tiles.mean(axis=(1, 3))
    soft = (mean >= SOFT_TISSUE_HU[0]) & (mean <= SOFT_TISSUE_HU[1])
    chosen = tiles.transpose(0, 2, 1, 3)[soft]
    return np.asarray(chosen.std(axis=(1, 2), ddof=1), dtype=np.float32)


def _mode(deviations: FloatArray) -> float:
    bins = round(_LARGEST_HU / _BIN_HU)
    counts, edges = np.histogram(deviations, bins=bins, range=(0.0, _LARGEST_HU))
    smooth = np.convolve(counts, np.ones(_SMOOTH_BINS) / _SMOOTH_BINS, mode="same")
    place = int(np.argmax(smooth))
    return float((edges[place] + edges[place + 1]) / 2.0)
