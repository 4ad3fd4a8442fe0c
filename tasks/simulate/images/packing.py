"""Pixels and elements as an archive packs them: native, deflated, RLE, JPEG lossless, ..."""

from __future__ import annotations

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tasks.simulate.people.hospitals import Packing, Scanner

_CODERS: dict[Packing, tuple[UID, int]] = {
    Packing.RLE: (RLELossless, gdcm.TransferSyntax.RLELossless),
    Packing.JPEG_LOSSLESS: (JPEGLosslessSV1, gdcm.TransferSyntax.JPEGLosslessProcess14_1),
    Packing.JPEG_LS: (JPEGLSLossless, gdcm.TransferSyntax.JPEGLSLossless),
    Packing.JPEG_2000: (JPEG2000Lossless, gdcm.TransferSyntax.JPEG2000Lossless),
}

Pixels = NDArray[np.uint16]


def transfer_syntax(scanner: Scanner) -> UID:
    """Return the transfer syntax of what this scanner's archive sends."""
    if scanner.packing in _CODERS:
        return _CODERS[scanner.packing][0]
    if scanner.packing is Packing.DEFLATED:
        return UID(DeflatedExplicitVRLittleEndian)
    return UID(ImplicitVRLittleEndian if scanner.implicit_vr else ExplicitVRLittleEndian)


def add_pixels(data: Dataset, frames: list[Pixels], packing: Packing) -> None:
    """Add PixelData and what describes it; frames are of one shape, 12 bits stored in 16."""
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = frames[0].shape
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelRepresentation = 0
    if packing not in _CODERS:
        data.add_new("PixelData", "OW", b"".join(frame.tobytes() for frame in frames))
        return
    syntax = _CODERS[packing][1]
    data.add_new("PixelData", "OB", encapsulate([_coded(frame, syntax) for frame in frames]))
    data["PixelData"].is_undefined_length = True


def _coded(frame: Pixels, syntax: int) -> bytes:
    """Return one frame in the coding of a transfer syntax.

    Raises
    ------
    ValueError
        If the coder refuses the frame.
    """
    # The writer owns the image: a coder and Python would both free one of our own.
    writer = gdcm.ImageWriter()
    image = writer.GetImage()
    image.SetNumberOfDimensions(2)
    image.SetDimension(0, frame.shape[1])
    image.SetDimension(1, frame.shape[0])
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(frame.tobytes())
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(image)
    if not change.Change():
        raise ValueError("the frame cannot be coded")
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    return b"".join(
        fragments.GetFragment(index).GetByteValue().GetBuffer().encode("utf-8", "surrogateescape")
        for index in range(fragments.GetNumberOfFragments())
    )
