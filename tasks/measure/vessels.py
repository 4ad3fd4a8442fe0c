"""Aorta and the region of the portal vein, found by how blood changes between passes. Pure.

Two upright tubes near the spine change much between passes: the aorta, and to its right the
caval vein, which may change more when no pass met the peak in the aorta. They differ in where
they lie, and both from kidneys and from edges that move with breath in that a tube shows the same
at every height.

The portal region lies in front of them, beside the liver or in it. What counts as vein there
changes more than the liver, and has the level of the aorta whenever blood has mixed: before
contrast and late; edges that move with breath have not. At 4 mm that is a region, no
segmentation: the mouth of the splenic vein and branches in the liver are in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.measure.volume import BoolArray, FloatArray

Spacing = tuple[float, float, float]

#: Half the width of the body that holds the aorta, and its depth from the back, as shares.
_CENTRAL_SHARE, _DEPTH_SHARE = 0.15, (0.15, 0.62)
_TUBE_MM, _RING_MM = 8.0, (14.0, 22.0)
#: The tube must change this many times as much as what lies around it.
_STANDS_OUT = 1.6
#: A second tube changes at least this share of what the first one does.
_ALSO_SHARE = 0.5
#: A tube differs from itself by less than this share of its change, in so many of the slices.
_EVEN_SHARE, _EVEN_SLICES = 0.35, 0.65
#: The portal region: how far in front of the aorta, how far from the liver.
_IN_FRONT_MM, _NEAR_LIVER_MM = 15.0, 25.0
#: Blood that has mixed is alike in both vessels, within this share of what the aorta changes. It
#: has not in the arterial phase; iodine, which takes half a minute to inject, nor in the portal.
_ALIKE_SHARE = 0.15
_UNMIXED_CT, _UNMIXED_MR = 2, 1
#: A vein changes this many times as much as the liver.
_MORE_THAN_LIVER = 1.25
_LEAST_ML = 1.0


def find_aorta(
    smooth: FloatArray, body: BoolArray, spacing: Spacing, least: float
) -> BoolArray | None:
    """Return the aorta, or None where no tube stands out.

    Parameters
    ----------
    smooth : float array, shape (passes, x, y, z)
        The passes on one grid; x grows to the patient's right, y to the front.
    body : bool array, shape (x, y, z)
        Where the body is.
    spacing : tuple of float
        Along x, y, z, mm.
    least : float
        Less change than this is none.
    """
    change = np.ptp(smooth, axis=0)
    change[~body] = 0.0
    upright = np.median(change, axis=2)
    searched = _beside_the_spine(np.median(body, axis=2) > 0)
    if searched is None:
        return None
    peaks = searched & (upright == ndimage.maximum_filter(upright, size=3))
    found = [
        place
        for place in map(tuple, np.argwhere(peaks & (upright > least)))
        if upright[place] > _STANDS_OUT * _around(upright, place, spacing)
        and _is_even(_along(smooth, change, _distance(upright.shape, place, spacing)))
    ]
    if not found:
        return None
    most = max(upright[place] for place in found)
    # The caval vein lies to the right of the aorta.
    best = min(place for place in found if upright[place] >= _ALSO_SHARE * most)
    near = _distance(upright.shape, best, spacing) <= _TUBE_MM
    columns = np.where(near[:, :, np.newaxis], change, -1.0)
    top = columns.max(axis=(0, 1))
    tube: BoolArray = (columns >= 0.8 * top) & (top > 0.5 * upright[best])
    return tube if tube.any() else None


def find_portal(
    moved: FloatArray,
    liver: BoolArray,
    aorta: BoolArray,
    spacing: Spacing,
    aorta_levels: Sequence[float],
    *,
    is_ct: bool,
) -> list[float] | None:
    """Return the level of the portal region in each pass, or None where none stands out.

    Parameters
    ----------
    moved : float array, shape (passes, x, y, z)
        The passes, shifted so that the liver lies on itself.
    liver, aorta : bool array, shape (x, y, z)
        Where they were found.
    spacing : tuple of float
        Along x, y, z, mm.
    aorta_levels : sequence of float
        Of each pass.
    is_ct : bool
        Whether values are HU.
    """
    smooth = np.stack([ndimage.uniform_filter(one, size=(3, 3, 1)) for one in moved])
    change = np.ptp(smooth, axis=0)
    alike = _ALIKE_SHARE * (max(aorta_levels) - min(aorta_levels))
    mixed = sum(
        (np.abs(one - level) <= alike).astype(int)
        for one, level in zip(smooth, aorta_levels, strict=True)
    )
    veins = (
        _beside_the_liver(liver, aorta, spacing)
        & (change >= _MORE_THAN_LIVER * float(np.median(change[liver])))
        & (mixed >= max(2, len(moved) - (_UNMIXED_CT if is_ct else _UNMIXED_MR)))
    )
    pieces, n = ndimage.label(veins)
    if n == 0:
        return None
    weight = ndimage.sum_labels(change, pieces, range(1, n + 1))
    largest = pieces == int(np.argmax(weight)) + 1
    if float(largest.sum() * np.prod(spacing)) < _LEAST_ML * 1000.0:
        return None
    inner = largest & (change >= 0.8 * float(np.percentile(change[largest], 90)))
    return [float(np.median(one[inner])) for one in smooth]


def _beside_the_spine(shown: BoolArray) -> BoolArray | None:
    """Return where in a slice the aorta may be, by width and depth of the body."""
    if not shown.any():
        return None
    across, along = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    middle = (across[0] + across[-1]) / 2.0
    wide, deep = across[-1] - across[0] + 1, along[-1] - along[0] + 1
    x, y = np.meshgrid(np.arange(shown.shape[0]), np.arange(shown.shape[1]), indexing="ij")
    depth = (y - along[0]) / deep
    found: BoolArray = (
        (np.abs(x - middle) <= _CENTRAL_SHARE * wide)
        & (depth >= _DEPTH_SHARE[0])
        & (depth <= _DEPTH_SHARE[1])
    )
    return found


def _beside_the_liver(liver: BoolArray, aorta: BoolArray, spacing: Spacing) -> BoolArray:
    """Return where the portal vein may be: from the aorta to mid liver, in front, near it."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in liver.shape), indexing="ij", sparse=True)
    centre = [float(np.median(one)) for one in np.nonzero(aorta)]
    of_liver = np.nonzero(liver)
    heights = np.percentile(of_liver[2], (5, 95))
    box = (
        (x >= centre[0])
        & (x <= float(np.median(of_liver[0])))
        & (y >= centre[1] + _IN_FRONT_MM / spacing[1])
        & (z >= heights[0])
        & (z <= heights[1])
    )
    far = ndimage.distance_transform_edt(~liver, sampling=spacing)
    found: BoolArray = box & (far <= _NEAR_LIVER_MM)
    return found


def _distance(
    shape: tuple[int, ...], place: tuple[int, ...], spacing: Spacing
) -> npt.NDArray[np.float64]:
    x, y = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    far: npt.NDArray[np.float64] = np.hypot(
        (x - place[0]) * spacing[0], (y - place[1]) * spacing[1]
    )
    return far


def _around(upright: FloatArray, place: tuple[int, ...], spacing: Spacing) -> float:
    far = _distance(upright.shape, place, spacing)
    return float(np.median(upright[(far >= _RING_MM[0]) & (far <= _RING_MM[1])]))


def _along(smooth: FloatArray, change: FloatArray, far: npt.NDArray[np.float64]) -> FloatArray:
    """Return what a tube shows at every height, (passes, z): it may lean within its width."""
    columns = np.argwhere(far <= _TUBE_MM)
    at = columns[change[columns[:, 0], columns[:, 1], :].argmax(axis=0)]
    found: FloatArray = smooth[:, at[:, 0], at[:, 1], np.arange(change.shape[2])]
    return found


def _is_even(column: FloatArray) -> bool:
    """Return whether a column, shape (passes, z), shows the same at most heights."""
    usual = np.median(column, axis=1, keepdims=True)
    off = np.abs(column - usual).max(axis=0)
    return float((off <= _EVEN_SHARE * float(np.ptp(usual))).mean()) >= _EVEN_SLICES
