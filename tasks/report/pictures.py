"""Slices of a volume as a radiologist expects to see them: pure arrays, no files.

Volumes are brought to the closest canonical (RAS) axes and shown in radiological convention:
the patient's right on the left side of the picture, anterior (or superior) up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from nibabel import orientations

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

#: Where the liver lies in a stack of the upper abdomen when no mask says so (approximate).
LIVER_FROM, LIVER_TO = 0.30, 0.75
N_TILES = 6
#: How far below the edge of the right lung the levels of a CT reach, and at least must.
LIVER_DEPTH_MM, LIVER_LEAST_MM = 120.0, 60.0
_AXIAL = 2
_COARSE = 4
_LUNG_HU = (-960.0, -400.0)
_LUNG_LEAST = 0.15
_BODY_ROW = 0.3
#: Liver window of CT, one for all phases: Hounsfield units are absolute.
CT_WINDOW_HU = (-90.0, 210.0)
#: What the sheets of a CT hold: wide enough for every window of the rating page.
CT_SHEET_HU = (-200.0, 300.0)
_PERCENTILES = (1.0, 99.5)
_SAMPLE = 50_000
_AIR_SHARE = 0.1
_NOISE_SHARE = 0.03
_MARGIN = 3


@dataclass(frozen=True)
class Stack:
    """A volume on canonical axes.

    Parameters
    ----------
    voxels : float array, shape (x, y, z, volumes)
        Indices grow to the patient's right, front and head (RAS+).
    spacing_mm : tuple of float
        Along x, y, z.
    through : int
        The axis across the slices as acquired: 0 sagittal, 1 coronal, 2 axial.
    affine_ras : float array, shape (4, 4)
        Indices of `voxels` to RAS millimetres.
    """

    voxels: FloatArray
    spacing_mm: tuple[float, float, float]
    through: int
    affine_ras: npt.NDArray[np.float64]

    @property
    def n_frames(self) -> int:
        """Slices of all volumes."""
        return int(self.voxels.shape[self.through] * self.voxels.shape[3])


def canonical_stack(voxels: FloatArray, affine_ras: npt.NDArray[np.float64]) -> Stack:
    """Return a volume on the closest RAS axes.

    Parameters
    ----------
    voxels : float array, shape (i, j, k) or (i, j, k, volumes)
        As stored.
    affine_ras : float array, shape (4, 4)
        Voxel indices to RAS millimetres.
    """
    four = voxels if voxels.ndim == 4 else voxels.reshape(*voxels.shape[:3], -1)
    turn = orientations.io_orientation(affine_ras)  # type: ignore[no-untyped-call]  # nibabel's own
    spacing = np.sqrt((affine_ras[:3, :3] ** 2).sum(axis=0))
    axes = [int(axis) for axis in turn[:, 0]]
    along = [0.0, 0.0, 0.0]
    for source, axis in enumerate(axes):
        along[axis] = float(spacing[source])
    turned: FloatArray = orientations.apply_orientation(four, turn)  # type: ignore[no-untyped-call]  # nibabel's own
    back = orientations.inv_ornt_aff(turn, voxels.shape[:3])  # type: ignore[no-untyped-call]  # nibabel's own
    return Stack(turned, (along[0], along[1], along[2]), axes[2], affine_ras @ back)


def frame(stack: Stack, number: int) -> FloatArray:
    """Return one slice as rows and columns of a picture.

    Axial slices run from superior to inferior, coronal from anterior to posterior, sagittal
    from left to right; the slices of a further volume follow those of the first.
    """
    per_volume = stack.voxels.shape[stack.through]
    volume, place = divmod(number, per_volume)
    # A view: taking along an axis would copy the whole volume for every slice.
    chosen = np.moveaxis(stack.voxels[..., volume], stack.through, 0)[per_volume - 1 - place]
    return np.ascontiguousarray(chosen[::-1, ::-1].T)


def pixel_mm(stack: Stack) -> tuple[float, float]:
    """Return the height and the width of one pixel of a slice, mm."""
    first, second = (axis for axis in range(3) if axis != stack.through)
    return stack.spacing_mm[second], stack.spacing_mm[first]


def picture_size(
    shape: tuple[int, int], pixel: tuple[float, float], longest: int, *, enlarge: bool = False
) -> tuple[int, int]:
    """Return width and height with square pixels, at most `longest` pixels long.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of a slice.
    pixel : tuple of float
        Height and width of one pixel, mm.
    longest : int
        Pixels of the longer side.
    enlarge : bool
        Whether small slices are made that long; else none is made larger than it is.
    """
    high, wide = shape[0] * pixel[0], shape[1] * pixel[1]
    pixels = float(longest) if enlarge else min(float(longest), max(wide, high) / min(pixel))
    scale = pixels / max(wide, high)
    return max(1, round(wide * scale)), max(1, round(high * scale))


def liver_frames(n_slices: int, volume: int = 0) -> tuple[int, ...]:
    """Return the frames of six levels across the liver, superior first (approximate).

    Parameters
    ----------
    n_slices : int
        Slices of one volume; frame 0 is the most superior.
    volume : int
        Which volume of a series with several.
    """
    top, bottom = 1.0 - LIVER_TO, 1.0 - LIVER_FROM
    levels = np.linspace(top, bottom, N_TILES) * (n_slices - 1)
    return tuple(volume * n_slices + round(float(level)) for level in levels)


def frames_below_lung(stack: Stack) -> tuple[int, ...] | None:
    """Return six frames across the liver of an axial CT, counted down from the right lung.

    The right lung ends on the dome of the liver. The level where its share of the right half of
    the body falls to half of its largest share is taken as the first; the last lies
    `LIVER_DEPTH_MM` below it or at the end of the stack. Of a stack that ends sooner than
    `LIVER_LEAST_MM` below the lung, the lowest levels are taken. A landmark, not a
    segmentation: still approximate.

    Returns
    -------
    tuple of int or None
        Superior first; None when the stack is not axial, or holds too few pixels or too little
        lung to tell.
    """
    if stack.through != _AXIAL or min(stack.voxels.shape[:2]) < 2 * _COARSE:
        return None
    share = _right_lung_share(_coarse(stack.voxels[..., 0]))
    if share.max(initial=0.0) < _LUNG_LEAST:
        return None
    lowest = int(np.flatnonzero(share >= 0.5 * share.max())[0])
    spacing, bottom = stack.spacing_mm[_AXIAL], len(share) - 1
    first = min(bottom, max(float(lowest), LIVER_LEAST_MM / spacing))
    depth = min(LIVER_DEPTH_MM / spacing, first)
    return tuple(round(bottom - first + float(step)) for step in np.linspace(0.0, depth, N_TILES))


def _coarse(voxels: FloatArray) -> FloatArray:
    """Return means of squares of pixels: a sharp kernel's noise would pass for lung."""
    wide, deep = (n // _COARSE * _COARSE for n in voxels.shape[:2])
    blocks = voxels[:wide, :deep].reshape(wide // _COARSE, _COARSE, deep // _COARSE, _COARSE, -1)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def _right_lung_share(voxels_hu: FloatArray) -> npt.NDArray[np.float64]:
    """Return the share of lung in the patient's right half of the body, per axial slice."""
    low, high = _LUNG_HU
    body = voxels_hu > high
    # Inside is what lies between the first and the last body pixel of a row. Rows with little
    # body in them are those of the table, with air in its frame.
    inside = np.maximum.accumulate(body, axis=0)
    inside &= np.flip(np.maximum.accumulate(np.flip(body, axis=0), axis=0), axis=0)
    n_body = body.sum(axis=0)
    inside &= (n_body >= _BODY_ROW * n_body.max(axis=0))[np.newaxis]
    lung = inside & (voxels_hu > low) & ~body
    half = voxels_hu.shape[0] // 2
    right = (lung | body)[half:].sum(axis=(0, 1))
    return np.asarray(lung[half:].sum(axis=(0, 1)) / np.maximum(1, right), dtype=np.float64)


def value_window(stacks: Sequence[Stack], *, is_ct: bool) -> tuple[float, float]:
    """Return the values shown as black and white.

    Series that are compared (the phases of one exam) share one window, else enhancement
    would be windowed away: the liver window for CT, percentiles of all of them for MR.
    """
    if is_ct:
        return CT_WINDOW_HU
    samples = []
    for stack in stacks:
        values = stack.voxels.ravel()
        values = values[:: max(1, values.size // _SAMPLE)]
        samples.append(values[values > 0])
    pooled = np.concatenate(samples) if samples else np.zeros(0, dtype=np.float32)
    if not pooled.size:
        return 0.0, 1.0
    low, high = np.percentile(pooled, _PERCENTILES)
    return float(low), float(max(high, low + 1e-6))


def body_box(slices: Sequence[FloatArray], window: tuple[float, float]) -> tuple[slice, slice]:
    """Return rows and columns that hold more than air in any of the slices, with a margin."""
    threshold = window[0] + _AIR_SHARE * (window[1] - window[0])
    shown = np.any(np.stack(slices) > threshold, axis=0)
    spans = []
    for axis in (1, 0):
        held = np.flatnonzero(shown.mean(axis=axis) > _NOISE_SHARE)
        size = shown.shape[1 - axis]
        first, last = (int(held[0]), int(held[-1]) + 1) if held.size else (0, size)
        spans.append(slice(max(0, first - _MARGIN), min(size, last + _MARGIN)))
    return spans[0], spans[1]


def to_grey(values: FloatArray, window: tuple[float, float]) -> ByteArray:
    """Return a slice in 256 greys."""
    low, high = window
    scaled = (np.nan_to_num(values) - low) / (high - low) * 255.0
    return np.asarray(np.clip(scaled, 0, 255), dtype=np.uint8)
