"""Diffusion directions of a volume: the headers', and the converter's held against them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: Both are rounded to a few digits; a wrong axis or sign of one is off by much more.
TOLERANCE_DEG = 1.0
#: Imaging gradients alone weight by a few s/mm2 (UIH states 1.25 for its b = 0).
UNWEIGHTED_B = 10.0
_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


def fsl_direction(gradient_lps: Sequence[float], affine_ras: FloatArray) -> FloatArray:
    """Return a diffusion direction in the frame of a `.bvec` file, shape (3,), unit length.

    Parameters
    ----------
    gradient_lps : sequence of 3 float
        In the patient's frame, DICOM LPS.
    affine_ras : float array, shape (4, 4)
        Voxel index to mm, NIfTI RAS, of the image beside the `.bvec`.

    Notes
    -----
    FSL states directions along the voxel axes of the image, the first one reversed where the
    affine has a positive determinant (FSL wiki, FDT user guide, "bvecs").
    """
    axes = affine_ras[:3, :3] / np.linalg.norm(affine_ras[:3, :3], axis=0)
    along = axes.T @ (np.asarray(gradient_lps) * _LPS_TO_RAS)
    if np.linalg.det(axes) > 0:
        along[0] = -along[0]
    length = np.linalg.norm(along)
    return np.asarray(along / length if length > 0 else along)


def proven_directions(
    volumes: Sequence[Sequence[Sequence[float]]],
    b_values: Sequence[float],
    written: FloatArray | None,
    affine_ras: FloatArray,
) -> tuple[FloatArray | None, bool]:
    """Return the directions that may be published, and whether nothing contradicts them.

    Parameters
    ----------
    volumes : sequence of sequence of sequence of float
        Of each volume in order the direction of each plane, DICOM LPS; empty where the header
        has none.
    b_values : sequence of float
        The vendor's, one a volume, in s/mm2; empty without one.
    written : float array, shape (3, n_volumes), optional
        As in the converter's `.bvec` file.
    affine_ras : float array, shape (4, 4)

    Returns
    -------
    directions : float array, shape (3, n_volumes), or None
        The converter's where it wrote any, else the vendor's in the frame of the image. None
        unless every diffusion-weighted volume has one: a zero in its place reads as b = 0.
    agree : bool
        False when planes of one volume differ, or the converter's differ from the vendor's.
    """
    if not any(b_values):
        return None, True
    vendor = []
    for planes in volumes:
        first = planes[0] if planes else ()
        if not all(_alike(first, other) for other in planes):
            return None, False
        vendor.append(first)
    weighted = [b > UNWEIGHTED_B for b in b_values]
    whole = all(len(v) for v, is_weighted in zip(vendor, weighted, strict=True) if is_weighted)
    if not whole or not any(map(len, vendor)):
        return None, _known_agree(vendor, written, affine_ras)
    if written is None or not np.any(written):
        rows = [fsl_direction(v, affine_ras) if len(v) else np.zeros(3) for v in vendor]
        return np.asarray(rows).T, True
    agree = directions_agree(vendor, written, affine_ras)
    return (written if agree else None), agree


def _known_agree(
    vendor: Sequence[Sequence[float]], written: FloatArray | None, affine_ras: FloatArray
) -> bool:
    if written is None or not np.any(written):
        return True
    return directions_agree(vendor, written, affine_ras)


def _alike(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether two planes state one direction: both none, or the same axis."""
    if not len(one) or not len(other):
        return len(one) == len(other)
    cosine = np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other))
    return bool(abs(cosine) >= np.cos(np.radians(TOLERANCE_DEG)))


def directions_agree(
    vendor_lps: Sequence[Sequence[float]], written: FloatArray, affine_ras: FloatArray
) -> bool:
    """Return whether written directions are the vendor's, whichever way along the axis.

    Parameters
    ----------
    vendor_lps : sequence of sequence of float
        Of each volume in order, DICOM LPS; empty where the header has none.
    written : float array, shape (3, n_volumes)
        As in the `.bvec` file.
    affine_ras : float array, shape (4, 4)
    """
    if written.shape != (3, len(vendor_lps)):
        return not any(len(gradient) for gradient in vendor_lps)
    least = np.cos(np.radians(TOLERANCE_DEG))
    for gradient, along in zip(vendor_lps, written.T, strict=True):
        if len(gradient) and np.linalg.norm(gradient) > 0:
            length = float(np.linalg.norm(along))
            cosine = abs(float(fsl_direction(gradient, affine_ras) @ along))
            if not (length > 0 and cosine / length >= least):
                return False
    return True
