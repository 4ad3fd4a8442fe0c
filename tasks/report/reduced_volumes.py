"""Volumes small enough to scroll in a page that may not fetch: pure arrays, no files.

Slices stay slices of the series (every n-th where there are many), each with fewer pixels, and
keep their place in the scanner's millimetres. Values are kept in 256 steps that a page turns
back into Hounsfield units, or into the signal of the series, to window them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from tasks.report.pictures import ByteArray, Stack, frame, picture_size, pixel_mm

#: Slices of a reduced volume, and pixels of the longer side of one.
MOST_SLICES, LONGEST_SIDE = 80, 256
#: Values and the grey each is kept as: fine steps (3 HU) where soft tissue lies, coarse ones in
#: lung and bone.
_CT_KNOTS = ((-1024.0, 0), (-200.0, 40), (300.0, 205), (1300.0, 255))
#: Percentiles of the positive values of an MR series that a page's windows are made of.
PERCENTILES = (1.0, 50.0, 95.0, 99.5, 99.9)
_SAMPLE = 200_000


@dataclass(frozen=True)
class ReducedVolume:
    """Fewer pixels of fewer slices.

    Parameters
    ----------
    slices : uint8 array, shape (slices, rows, columns)
        Radiological convention, in the order of the series: axial from superior to inferior.
    to_mm : float array, shape (3, 4)
        Column, row and slice of `slices` (centres of pixels) to RAS millimetres.
    knots : tuple of (value, grey)
        What the greys stand for, linear between: HU for CT, the signal as stored for MR.
    percentiles : tuple of (percent, value)
        Of the positive values of an MR series; empty for CT.
    first, step, of : int
        Slice s is slice `first + step * s` of `of` of the series, counted from 0.
    volume, n_volumes : int
        Which volume of a series with several this is, counted from 1.
    """

    slices: ByteArray
    to_mm: npt.NDArray[np.float64]
    knots: tuple[tuple[float, int], ...]
    percentiles: tuple[tuple[float, float], ...]
    first: int
    step: int
    of: int
    volume: int
    n_volumes: int


def reduce_stack(stack: Stack, *, is_ct: bool, longest: int = LONGEST_SIDE) -> ReducedVolume:
    """Return a volume with at most `MOST_SLICES` slices of `longest` pixels.

    Parameters
    ----------
    stack : Stack
        On canonical axes; of several volumes the last is taken, as for the mosaic.
    is_ct : bool
        Whether its values are Hounsfield units.
    longest : int
        Pixels of the longer side of a slice; none is enlarged.
    """
    of, n_volumes = stack.voxels.shape[stack.through], stack.voxels.shape[3]
    step = -(-of // MOST_SLICES)
    n_slices = -(-of // step)
    first = (of - 1 - (n_slices - 1) * step) // 2
    before = (n_volumes - 1) * of
    rows, columns = frame(stack, 0).shape
    size = picture_size((rows, columns), pixel_mm(stack), longest)
    percentiles = () if is_ct else _percentiles(stack.voxels[..., -1])
    # An MR series without a signal has no brightest value: it is black.
    brightest = percentiles[-1][1] if percentiles else 1.0
    knots = _CT_KNOTS if is_ct else ((0.0, 0), (brightest, 255))
    slices = np.stack(
        [
            _encoded(frame(stack, before + first + step * place), size, knots)
            for place in range(n_slices)
        ]
    )
    return ReducedVolume(
        slices=slices,
        to_mm=_to_mm(stack, (columns / size[0], rows / size[1]), first, step),
        knots=knots,
        percentiles=percentiles,
        first=first,
        step=step,
        of=of,
        volume=n_volumes,
        n_volumes=n_volumes,
    )


def _encoded(
    values: npt.NDArray[np.float32], size: tuple[int, int], knots: tuple[tuple[float, int], ...]
) -> ByteArray:
    """Average values, not greys: the steps of the greys are not of one size."""
    smaller = Image.fromarray(np.nan_to_num(values)).resize(size, Image.Resampling.BOX)
    at, grey = zip(*knots, strict=True)
    return np.asarray(np.rint(np.interp(np.asarray(smaller), at, grey)), dtype=np.uint8)


def _percentiles(voxels: npt.NDArray[np.float32]) -> tuple[tuple[float, float], ...]:
    values = voxels.ravel()
    values = values[:: max(1, values.size // _SAMPLE)]
    values = values[values > 0]
    if not values.size:
        return ()
    found = np.percentile(values, PERCENTILES)
    return tuple((p, float(f"{v:.6g}")) for p, v in zip(PERCENTILES, found, strict=True))


def _to_mm(
    stack: Stack, shrunk: tuple[float, float], first: int, step: int
) -> npt.NDArray[np.float64]:
    """Return column, row, slice of the reduced volume to RAS mm (centres of pixels).

    A picture runs against both axes of its slice, and the slices against theirs (see
    `pictures.frame`); a pixel of the reduced slice covers `shrunk` pixels of the slice.
    """
    across, down = (axis for axis in range(3) if axis != stack.through)
    to_voxel = np.zeros((4, 4))
    to_voxel[3, 3] = 1.0
    for axis, source, scale, start in (
        (across, 0, shrunk[0], (shrunk[0] - 1) / 2),
        (down, 1, shrunk[1], (shrunk[1] - 1) / 2),
        (stack.through, 2, float(step), float(first)),
    ):
        to_voxel[axis, source] = -scale
        to_voxel[axis, 3] = stack.voxels.shape[axis] - 1 - start
    return np.asarray((stack.affine_ras @ to_voxel)[:3])
