"""The stored values of an image as every reader has them: decoded, before rescale."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

_DEFLATED = DeflatedExplicitVRLittleEndian.encode("ascii")
#: The transfer syntax stands in the file meta information, which is short.
_META_BYTES = 2048


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

    if _DEFLATED in data[:_META_BYTES]:
        # The reader for pixels alone sees no element in a deflated file (PS3.5 A.5).
        return np.asarray(pixel_array(dcmread(BytesIO(data)), raw=True))
    return np.asarray(pixel_array(BytesIO(data), raw=True))
