"""What a CT shows of lung and body at its edges, without a mask of the liver. Pure."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from schemas.measurements import NoValue
from tasks.measure.result import Measured, none
from tasks.measure.volume import BoolArray, FloatArray, Grid, chosen_slices

_BODY_HU, _LUNG_HU = -300.0, (-960.0, -500.0)
#: Air is -1000 HU, and cut off at -1024 by many.
_LEAST_AIR_HU = -1024.0
_SLICES = 12
#: Slices at the top that are looked at together.
_TOP_MM = 6.0
_LEAST_BODY = 0.02


def top_lung_share(grid: Grid) -> Measured:
    """Return the share of air-filled lung in the right half of the body at the top of a CT.

    Above the dome of the liver the right half of the chest is mostly lung; a top slice that
    still cuts the liver has little. No mask is needed, and none is pretended: it is a hint
    that the dome may lie above the stack.
    """
    n_top = max(1, round(_TOP_MM / grid.spacing_mm[2]))
    top = grid.values[:, :, -n_top:]
    shares = [_right_lung_share(top[:, :, number]) for number in range(top.shape[2])]
    known = [share for share in shares if share is not None]
    return Measured(float(np.mean(known))) if known else none(NoValue.NO_TISSUE)


def body_cut_mm(grid: Grid) -> Measured:
    """Return how much of the outline of the body lies on the edge of the field, mm.

    The largest length among twelve slices. The edge is that of the picture, or of the circle
    that was reconstructed. The table is another piece of matter and does not count, unless the
    body lies on it at the edge.

    Parameters
    ----------
    grid : Grid
        As in `top_lung_share`.
    """
    lengths = [
        _cut_mm(grid.values[:, :, number], grid)
        for number in chosen_slices(grid.values.shape[2], _SLICES)
    ]
    known = [length for length in lengths if length is not None]
    return Measured(max(known)) if known else none(NoValue.NO_TISSUE)


def _body(values: FloatArray) -> BoolArray | None:
    """Return the largest piece of matter of an axial slice with its air inside filled."""
    matter = ndimage.binary_opening(values > _BODY_HU, iterations=2)
    pieces, n = ndimage.label(matter)
    if n == 0:
        return None
    sizes = np.bincount(pieces.ravel())[1:]
    if sizes.max() < _LEAST_BODY * values.size:
        return None
    body: BoolArray = ndimage.binary_fill_holes(pieces == int(np.argmax(sizes)) + 1)
    return body


def _right_lung_share(values: FloatArray) -> float | None:
    body = _body(values)
    if body is None:
        return None
    across = np.flatnonzero(body.any(axis=1))
    middle = (int(across[0]) + int(across[-1])) // 2
    right = body.copy()
    right[: middle + 1] = False
    if not right.any():
        return None
    lung = (values > _LUNG_HU[0]) & (values < _LUNG_HU[1]) & right
    return float(lung.sum() / right.sum())


def _cut_mm(values: FloatArray, grid: Grid) -> float | None:
    body = _body(values)
    if body is None:
        return None
    field = _field(values)
    inner = ndimage.binary_erosion(field, border_value=0)
    edge = field & ~inner & body
    return float(edge.sum() * min(grid.spacing_mm[:2]))


def _field(values: FloatArray) -> BoolArray:
    """Return where something was reconstructed.

    Corners of one value are padding. Below any air it tells how far it reaches; else it may be
    air that was cut off at the same value, and the field is the circle within the picture.
    """
    corners = {float(values[x, y]) for x in (0, -1) for y in (0, -1)}
    pad = corners.pop()
    if corners or pad > _BODY_HU:
        return np.ones(values.shape, dtype=np.bool_)
    if pad >= _LEAST_AIR_HU:
        x, y = (np.linspace(-1.0, 1.0, n) for n in values.shape)
        return np.asarray(x[:, np.newaxis] ** 2 + y**2 <= 1.0, dtype=np.bool_)
    padded, _ = ndimage.label(values == pad)
    outside = np.isin(padded, list({int(padded[x, y]) for x in (0, -1) for y in (0, -1)}))
    return np.asarray(~outside, dtype=np.bool_)
