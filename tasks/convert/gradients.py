"""Diffusion directions that the converter wrote, against those of the headers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: Both are rounded to a few digits; a wrong axis or sign of one is off by much more.
TOLERANCE_DEG = 1.0
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
