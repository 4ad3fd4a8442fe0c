"""Pixels in JPEG 2000 lossless as an encoder writes them that no part of the product uses."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless


def in_jpeg_2000(data: Dataset) -> None:
    """Encode the frames of unsigned 16-bit words anew, without loss (PS3.5 A.4.4)."""
    shape = int(data.get("NumberOfFrames") or 1), int(data.Rows), int(data.Columns)
    frames = np.frombuffer(data.PixelData, "<u2").reshape(shape)
    data.PixelData = encapsulate([_codestream(frame) for frame in frames])
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = JPEG2000Lossless


def _codestream(frame: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(frame).save(stream, "JPEG2000", no_jp2=True, irreversible=False)
    return stream.getvalue()
