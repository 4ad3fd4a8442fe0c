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
        Whatever reading or decoding raises, and ValueError for values that are no integers
        (Float Pixel Data, PS3.3 C.7.6.24): nothing here would see a picture in them, least of
        all where one is not a number. The caller holds the object.
    """
    from pydicom.pixels.utils import pixel_array  # decoders are loaded by few objects

    # The reader for pixels alone sees no element in a deflated file (PS3.5 A.5).
    deflated = _DEFLATED in data[:_META_BYTES]
    source = dcmread(BytesIO(data)) if deflated else BytesIO(data)
    values = np.asarray(pixel_array(source, raw=True))
    if values.dtype.kind not in "iu":
        raise ValueError(f"pixels are {values.dtype}, expected integers")
    return values
