"""The normal of an image plane from its ImageOrientationPatient."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_UNIT_LENGTH_TOLERANCE = 1e-2


@lru_cache(maxsize=1024)
def unit_normal(orientation_lps: tuple[float, ...]) -> NDArray[np.float64] | None:
    """Return row direction x column direction, DICOM LPS, or None if they are no frame.

    Read-only and kept: all slices of a stack ask for the same one.

    Notes
    -----
    DICOM PS3.3 C.7.6.2.1.1, Image Position and Image Orientation.
    """
    if len(orientation_lps) != 6:
        return None
    # Plain arithmetic: numpy takes ten times as long for three numbers.
    rx, ry, rz, cx, cy, cz = orientation_lps
    normal = (ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx)
    lengths = (math.hypot(rx, ry, rz), math.hypot(cx, cy, cz), math.hypot(*normal))
    if not all(abs(length - 1.0) <= _UNIT_LENGTH_TOLERANCE for length in lengths):
        return None
    unit = np.asarray(normal, dtype=np.float64) / lengths[2]
    unit.flags.writeable = False
    return unit
