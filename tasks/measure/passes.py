"""Vessels and liver in the passes of one exam, found by what changes between them. Pure.

No model and no atlas: the liver is the largest even piece of tissue on the right, the vessels
are found by `tasks.measure.vessels`. Which pass is which is not asked: labels are to be held
against this, so this must not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from schemas.measurements import NoValue
from tasks.measure.vessels import find_aorta, find_portal
from tasks.measure.volume import BoolArray, FloatArray, Grid

STEP_MM = 4.0
#: Fewer slices than this high tell no tube from a spot.
_LEAST_HEIGHT_MM = 60.0
_LEAST_PASSES = 2
#: How far a breath moves the liver, and how far phases of one exam are searched for each other.
_REACH_MM = (12.0, 12.0, 40.0)
#: Less than this is noise or breath: HU of a CT, a share of the median signal of an MR.
_LEAST_HU, _LEAST_SHARE = 25.0, 0.2
_LIVER_ML, _DEEP_MM = 200.0, 16.0
_EVEN_SHARE = 0.12
_CT_LIVER_HU = (25.0, 220.0)
_CT_CLIP_HU, _MR_CLIP_SHARE = (-160.0, 60.0), 0.8
#: Least correlation of aligned passes that is an alignment.
_ALIGNED = 0.4


@dataclass(frozen=True)
class PassLevels:
    """Levels of aorta, liver and portal region in one pass, and how far the liver moved, mm.

    `portal` is None where no such region was found, in all passes alike.
    """

    aorta: float
    liver: float
    shift_mm: float
    portal: float | None = None


def levels_of_passes(grids: Sequence[Grid], *, is_ct: bool) -> list[PassLevels] | NoValue:
    """Return the levels of aorta, portal region and liver in each pass of one exam.

    Parameters
    ----------
    grids : sequence of Grid
        The passes at about `STEP_MM`, HU of a CT or arbitrary units of an MR that all passes
        share, in one frame of reference.
    is_ct : bool
        Whether values are HU.

    Returns
    -------
    list of PassLevels, or NoValue
        In the order of `grids`; or why there are none. The liver is followed by a rigid shift,
        each pass against the first; the aorta stands upright and does not move with breath.
    """
    if len(grids) < _LEAST_PASSES:
        return NoValue.NO_PARTNER
    common = _on_common_grid(grids)
    if common is None:
        return NoValue.GRIDS_DIFFER
    passes, spacing = common
    if passes.shape[3] * spacing[2] < _LEAST_HEIGHT_MM:
        return NoValue.TOO_FEW_SLICES
    body = _body(passes.mean(axis=0), is_ct=is_ct)
    if body is None:
        return NoValue.NO_TISSUE
    smooth = np.stack([ndimage.uniform_filter(one, size=(3, 3, 1)) for one in passes])
    least = _LEAST_HU if is_ct else _LEAST_SHARE * float(np.median(passes[:, body]))
    tube = find_aorta(smooth, body, spacing, least)
    if tube is None:
        return NoValue.NO_VESSEL
    between = _outline_range(passes, body, is_ct=is_ct)
    shifts = [_liver_shift(passes[0], one, body, spacing, between) for one in passes]
    known = [shift for shift in shifts if shift is not None]
    if len(known) < len(shifts):
        return NoValue.NOT_ALIGNED
    moved = np.stack(
        [ndimage.shift(o, [-n for n in s], order=0, mode="nearest")
         for o, s in zip(passes, known, strict=True)]
    )  # fmt: skip
    liver = _liver(moved, body, spacing, is_ct=is_ct)
    if liver is None:
        return NoValue.NO_LIVER
    aorta = [float(np.median(one[tube])) for one in smooth]
    portal = find_portal(moved, liver, tube, spacing, aorta, is_ct=is_ct)
    return [
        PassLevels(
            aorta=aorta[n],
            liver=float(np.median(moved[n][liver])),
            shift_mm=float(np.linalg.norm(np.multiply(shift, spacing))),
            portal=None if portal is None else portal[n],
        )
        for n, shift in enumerate(known)
    ]


def _on_common_grid(
    grids: Sequence[Grid],
) -> tuple[FloatArray, tuple[float, float, float]] | None:
    """Return the passes on the grid of the coarsest one, where all of them are, (pass, x, y, z)."""
    spacing = tuple(max(g.spacing_mm[axis] for g in grids) for axis in range(3))
    low = [max(g.origin_mm[axis] for g in grids) for axis in range(3)]
    high = [
        min(g.origin_mm[axis] + g.spacing_mm[axis] * (g.values.shape[axis] - 1) for g in grids)
        for axis in range(3)
    ]
    shape = [int((h - o) / s + 1e-6) + 1 for h, o, s in zip(high, low, spacing, strict=True)]
    if min(shape[:2]) < 16 or shape[2] < 3:
        return None
    stack = np.empty((len(grids), *shape), dtype=np.float32)
    for n, grid in enumerate(grids):
        places = [
            np.clip(
                np.rint((low[a] + np.arange(shape[a]) * spacing[a] - grid.origin_mm[a])
                        / grid.spacing_mm[a]).astype(int),
                0, grid.values.shape[a] - 1,
            )
            for a in range(3)
        ]  # fmt: skip
        stack[n] = grid.values[np.ix_(*places)]
    return stack, (float(spacing[0]), float(spacing[1]), float(spacing[2]))


def _body(mean: FloatArray, *, is_ct: bool) -> BoolArray | None:
    threshold = -300.0 if is_ct else 0.15 * float(np.percentile(mean, 99))
    matter = ndimage.binary_opening(mean > threshold, structure=np.ones((3, 3, 1), dtype=bool))
    pieces, n = ndimage.label(matter)
    if n == 0:
        return None
    largest = pieces == int(np.argmax(np.bincount(pieces.ravel())[1:])) + 1
    body = np.stack(
        [ndimage.binary_fill_holes(largest[:, :, z]) for z in range(mean.shape[2])], axis=2
    )
    return body if body.mean() > 0.05 else None


def _outline_range(passes: FloatArray, body: BoolArray, *, is_ct: bool) -> tuple[float, float]:
    """Return between which values lung and fat part from tissue, in every pass alike."""
    if is_ct:
        return _CT_CLIP_HU
    return 0.0, _MR_CLIP_SHARE * min(float(np.median(one[body])) for one in passes)


def _edges(values: FloatArray, between: tuple[float, float]) -> FloatArray:
    """Return what stays the same when contrast comes: outlines against lung and fat."""
    clipped = np.clip(values, *between)
    return np.asarray(clipped - clipped.mean(), dtype=np.float32)


def _liver_shift(
    fixed: FloatArray,
    moving: FloatArray,
    body: BoolArray,
    spacing: tuple[float, float, float],
    between: tuple[float, float],
) -> tuple[int, int, int] | None:
    """Return by how many voxels the right upper abdomen moved, by phase correlation.

    Kuglin and Hines 1975. The box holds the right half of the body: its spine and wall stay
    where they are, the liver does not, so the search is narrow across and wide along the body.
    """
    across = np.flatnonzero(body.any(axis=(1, 2)))
    left = (across[0] + across[-1]) // 2 + max(1, (across[-1] - across[0]) // 10)
    right = across[-1] - max(1, (across[-1] - across[0]) // 12)
    along = np.flatnonzero(body.any(axis=(0, 2)))
    inner = (along[-1] - along[0]) // 8
    box = (slice(left, right), slice(along[0] + inner, along[-1] - inner))
    one, other = (_edges(part[box], between) for part in (fixed, moving))
    if min(one.shape) < 4:
        return None
    shape = [fft.next_fast_len(2 * n, real=True) for n in one.shape]
    spectrum = fft.rfftn(other, shape) * np.conj(fft.rfftn(one, shape))
    surface = fft.irfftn(spectrum / (np.abs(spectrum) ** 0.5 + 1e-6), shape)
    reach = [max(1, round(r / s)) for r, s in zip(_REACH_MM, spacing, strict=True)]
    lags = [np.arange(-r, r + 1) for r in reach]
    searched = surface[np.ix_(*(lag % n for lag, n in zip(lags, shape, strict=True)))]
    best = np.unravel_index(int(np.argmax(searched)), searched.shape)
    x, y, z = (int(lag[place]) for lag, place in zip(lags, best, strict=True))
    return (x, y, z) if _correlation(one, other, (x, y, z)) >= _ALIGNED else None


def _correlation(one: FloatArray, other: FloatArray, shift: tuple[int, int, int]) -> float:
    """Return the correlation of two pictures where they overlap after the shift."""
    mine = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(shift, one.shape, strict=True))
    its = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(shift, one.shape, strict=True))
    a, b = one[mine].ravel(), other[its].ravel()
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _liver(
    moved: FloatArray, body: BoolArray, spacing: tuple[float, float, float], *, is_ct: bool
) -> BoolArray | None:
    """Return the inside of the largest even piece of tissue on the right, or None."""
    mean = moved.mean(axis=0)
    local = ndimage.uniform_filter(mean, size=3)
    deviation = np.sqrt(np.maximum(ndimage.uniform_filter(mean**2, size=3) - local**2, 0.0))
    depth = np.stack(
        [ndimage.distance_transform_edt(body[:, :, z], sampling=spacing[:2])
         for z in range(body.shape[2])], axis=2,
    )  # fmt: skip
    across = np.flatnonzero(body.any(axis=(1, 2)))
    middle = (across[0] + across[-1]) // 2
    right = np.zeros_like(body)
    right[middle + max(1, (across[-1] - across[0]) // 16) :] = True
    searched = right & (depth >= _DEEP_MM)
    if is_ct:
        tissue = (local > _CT_LIVER_HU[0]) & (local < _CT_LIVER_HU[1])
        even = deviation < 15.0
    else:
        values = local[searched]
        if values.size == 0:
            return None
        usual = float(np.percentile(values, 75))
        tissue = (local > 0.5 * usual) & (local < 1.8 * usual)
        even = deviation < _EVEN_SHARE * usual
    pieces, n = ndimage.label(ndimage.binary_opening(searched & tissue & even))
    if n == 0:
        return None
    largest = pieces == int(np.argmax(np.bincount(pieces.ravel())[1:])) + 1
    inside: BoolArray = ndimage.binary_erosion(largest)
    ml = float(largest.sum() * np.prod(spacing) / 1000.0)
    return inside if ml >= _LIVER_ML and inside.sum() >= 50 else None
