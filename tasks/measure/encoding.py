"""Ghosts and fold-over of an MR: both lie along the axis of the phase encoding. Pure."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from schemas.measurements import NoValue
from tasks.measure.result import Measured, none
from tasks.measure.volume import BoolArray, FloatArray, Volume, chosen_slices, slice_values
from tasks.measure.voxels import Asked

_SLICES, _INNER = 9, 0.6
_AIR_SHARE = 0.15
_LEAST_AIR = 200
#: More of the background than this at exactly zero was blanked by the scanner.
_MASKED = 0.5
_EDGE_SHARE = 0.02


def ghost_ratio(volume: Volume) -> Measured:
    """Return the signal in air beside the body along the phase encoding, less that across it.

    In per cent of the mean signal of the body, as the ghosting of a phantom is measured: noise
    is on all four sides, ghosts of motion on two. Negative when the other sides are brighter.

    Notes
    -----
    ACR Large and Medium Phantom Test Guidance (2022), percent signal ghosting, there for a
    phantom; on patients it is a relative measure.
    """
    found = _each_slice(volume, _ghost)
    return found if isinstance(found, Measured) else Measured(100.0 * float(np.median(found)))


def phase_edge_signal(volume: Volume) -> Measured:
    """Return the signal on the two edges of the field along the phase encoding.

    In per cent of the mean signal of the body. Where the body reaches beyond the field along
    this axis it folds over; without matter at the edge it cannot. It tells the risk: pixels
    alone do not tell what was folded.
    """
    found = _each_slice(volume, _edge)
    return found if isinstance(found, Measured) else Measured(100.0 * float(max(found)))


def expect(asked: Asked, volume: Volume) -> None:
    """Add the slices that the metrics here ask for."""
    if volume.is_axial and volume.encoding_axis in (0, 1):
        asked.planes |= {(number, 0) for number in _looked_at(volume)}


def _looked_at(volume: Volume) -> list[int]:
    return chosen_slices(volume.n_slices, _SLICES, inner=_INNER)


def _each_slice(volume: Volume, measure: object) -> Measured | list[float]:
    if not volume.is_axial:
        return none(NoValue.NOT_AXIAL)
    if volume.encoding_axis not in (0, 1):
        return none(NoValue.ENCODING_UNKNOWN)
    values: list[float] = []
    reasons: list[NoValue] = []
    for number in _looked_at(volume):
        plane = slice_values(volume, number)
        if volume.encoding_axis == 1:
            plane = plane.T
        found = measure(plane)  # type: ignore[operator]  # one of the two below
        if isinstance(found, NoValue):
            reasons.append(found)
        else:
            values.append(found)
    if values:
        return values
    return none(reasons[0] if reasons else NoValue.TOO_FEW_SLICES)


def _body(plane: FloatArray) -> BoolArray | None:
    high = float(np.percentile(plane, 99))
    if high <= 0:
        return None
    pieces, n = ndimage.label(ndimage.binary_opening(plane > _AIR_SHARE * high, iterations=1))
    if n == 0:
        return None
    largest = int(np.argmax(np.bincount(pieces.ravel())[1:])) + 1
    body: BoolArray = ndimage.binary_fill_holes(pieces == largest)
    return body


def _ghost(plane: FloatArray) -> float | NoValue:
    """Return the ghost ratio of one slice, the phase encoding along the first axis."""
    body = _body(plane)
    if body is None:
        return NoValue.NO_TISSUE
    beside = ndimage.binary_dilation(body, iterations=max(2, plane.shape[0] // 64))
    rows, columns = beside.any(axis=1), beside.any(axis=0)
    along = ~beside & columns[np.newaxis, :] & ~rows[:, np.newaxis]
    across = ~beside & rows[:, np.newaxis] & ~columns[np.newaxis, :]
    if along.sum() < _LEAST_AIR or across.sum() < _LEAST_AIR:
        return NoValue.NO_AIR
    if (plane[along | across] == 0).mean() > _MASKED:
        return NoValue.BACKGROUND_MASKED
    return float((plane[along].mean() - plane[across].mean()) / plane[body].mean())


def _edge(plane: FloatArray) -> float | NoValue:
    body = _body(plane)
    if body is None:
        return NoValue.NO_TISSUE
    n = max(1, round(_EDGE_SHARE * plane.shape[0]))
    edges = max(float(plane[:n].mean()), float(plane[-n:].mean()))
    return edges / float(plane[body].mean())
