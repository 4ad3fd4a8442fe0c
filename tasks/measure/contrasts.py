"""Whether images are what they are called: diffusion fades, fat and water are not swapped. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import ndimage

from schemas.measurements import NoValue
from tasks.measure.result import Measured, none
from tasks.measure.volume import Grid, Volume, coarse_grid, expect_grid
from tasks.measure.voxels import Asked

_STEP_MM = 6.0
_TISSUE_SHARE = 0.15
_LEAST_VOXELS = 100
#: Depth of the ring below the surface: skin and partial volume above, muscle beneath.
_RING_MM = (4.0, 14.0)


def expect_dwi(asked: Asked, volume: Volume) -> None:
    """Add what `dwi_rise` asks for."""
    expect_grid(asked, volume, _STEP_MM, of=range(volume.n_volumes))


def expect_ring(asked: Asked, volume: Volume) -> None:
    """Add what `ring_water_share` asks for of each of its two."""
    if volume.is_axial:
        expect_grid(asked, volume, _RING_MM[0])


def dwi_rise(volume: Volume, b_values: Sequence[float]) -> Measured:
    """Return the largest rise of the mean signal from one b-value to the next higher one.

    In per cent of the signal at the lowest b-value. Diffusion only takes signal away (Stejskal
    and Tanner 1965), so a rise says that volumes and b-values do not belong to each other.
    Directions of one b-value are averaged.
    """
    if len(b_values) != volume.n_volumes or len(set(b_values)) < 2:
        return none(NoValue.NO_PARTNER)
    grids = [coarse_grid(volume, _STEP_MM, of=t).values for t in range(len(b_values))]
    lowest = min(b_values)
    of_lowest = [g for g, b in zip(grids, b_values, strict=True) if b == lowest]
    tissue = np.max(of_lowest, axis=0)
    # The brightest of all volumes says where the body is: which one is b = 0 is in question.
    tissue = np.max([tissue, *grids], axis=0)
    inside = tissue > _TISSUE_SHARE * float(np.percentile(tissue, 99))
    if inside.sum() < _LEAST_VOXELS:
        return none(NoValue.NO_TISSUE)
    signal = [
        float(np.mean([g[inside].mean() for g, b in zip(grids, b_values, strict=True) if b == one]))
        for one in sorted(set(b_values))
    ]
    if signal[0] <= 0:
        return none(NoValue.NO_TISSUE)
    rises = [after - before for before, after in pairwise(signal)]
    return Measured(100.0 * max(0.0, *rises) / signal[0])


def ring_water_share(water: Volume, fat: Volume) -> Measured:
    """Return in how much of the ring below the skin the water image is brighter than the fat.

    Below the skin lies fat, so it is little; much of it says that fat and water are swapped,
    in a part of the picture or in all. Where a person has no fat below the skin it is large
    too: it is looked at beside others, and is no verdict.

    Notes
    -----
    Swaps: Ma, J Magn Reson Imaging 2008;28:543-558.
    """
    if not (water.is_axial and fat.is_axial):
        return none(NoValue.NOT_AXIAL)
    one, other = coarse_grid(water, _RING_MM[0]), coarse_grid(fat, _RING_MM[0])
    if not _same_place(one, other):
        return none(NoValue.GRIDS_DIFFER)
    both = one.values + other.values
    body = both > _TISSUE_SHARE * float(np.percentile(both, 99))
    body = ndimage.binary_opening(body, structure=np.ones((3, 3, 1), dtype=bool))
    ring = np.zeros_like(body)
    for z in range(body.shape[2]):
        filled = ndimage.binary_fill_holes(body[:, :, z])
        depth = ndimage.distance_transform_edt(filled, sampling=one.spacing_mm[:2])
        ring[:, :, z] = (depth >= _RING_MM[0]) & (depth <= _RING_MM[1])
    if ring.sum() < _LEAST_VOXELS:
        return none(NoValue.NO_TISSUE)
    return Measured(float((one.values[ring] > other.values[ring]).mean()))


def _same_place(one: Grid, other: Grid) -> bool:
    return (
        one.values.shape == other.values.shape
        and bool(np.allclose(one.origin_mm, other.origin_mm, atol=0.5))
        and bool(np.allclose(one.spacing_mm, other.spacing_mm, atol=0.05))
    )
