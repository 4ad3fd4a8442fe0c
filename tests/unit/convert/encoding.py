"""Compressed twins of test slices, written with GDCM."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gdcm
import pydicom
from pydicom.dataset import Dataset

from tests.builders import to_bytes

#: Any, because the binding is not annotated.
_KINDS: Any = gdcm.TransferSyntax
SYNTAXES: dict[str, int] = {
    "JPEG lossless, selection 1": _KINDS.JPEGLosslessProcess14_1,
    "JPEG lossless": _KINDS.JPEGLosslessProcess14,
    "JPEG-LS lossless": _KINDS.JPEGLSLossless,
    "JPEG 2000 lossless": _KINDS.JPEG2000Lossless,
    "RLE": _KINDS.RLELossless,
    "deflated": _KINDS.DeflatedExplicitVRLittleEndian,
}
LOSSY: dict[str, int] = {
    "JPEG-LS near-lossless": _KINDS.JPEGLSNearLossless,
    "JPEG 2000": _KINDS.JPEG2000,
}


def compressed(slices: Sequence[Dataset], syntax: int) -> list[Dataset]:
    """Return the same instances with their pixels in another transfer syntax."""
    with tempfile.TemporaryDirectory() as folder:
        return [_compressed(data, syntax, Path(folder)) for data in slices]


def _compressed(data: Dataset, syntax: int, folder: Path) -> Dataset:
    source, target = folder / "source", folder / "target"
    source.write_bytes(to_bytes(data))
    binding: Any = gdcm
    reader = binding.ImageReader()
    reader.SetFileName(str(source))
    assert reader.Read()
    change = binding.ImageChangeTransferSyntax()
    change.SetTransferSyntax(binding.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = binding.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(target))
    assert writer.Write()
    return pydicom.dcmread(target)
