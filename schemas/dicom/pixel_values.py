"""The stored values of an image as every reader has them: decoded, before rescale."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray


def decoded_values(data: bytes) -> NDArray[Any]:
    """Return the decoded values of a whole DICOM file.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    ndarray of integers, shape (rows, columns) or (frames, rows, columns[, samples])
        Stored values before rescale, of colour in the colour space of the file.

    Raises
    ------
    Exception
        Whatever reading or decoding raises; the caller holds the object.
    """
    from pydicom.pixels.utils import pixel_array  # decoders are loaded by few objects

    return np.asarray(pixel_array(BytesIO(data), raw=True))
