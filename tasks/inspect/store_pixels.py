"""The stored values of a de-identified file, fast where they lie plain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from schemas.dicom.elements import PIXEL_DATA, Header, scan_file
from schemas.dicom.pixel_values import decoded_values

_PLAIN = frozenset({str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)})
_WORD_BITS = 16


def values_of_file(path: Path) -> NDArray[Any]:
    """Return the values of a file as `schemas.dicom.pixel_values.decoded_values` does.

    Nine of ten objects hold 16-bit words that need no decoder; those that use every bit of a
    word, or are unsigned and use no bit beyond the stored ones, are read as they lie.
    """
    data = path.read_bytes()
    header = scan_file(data)
    plain = _plain_values(header)
    return decoded_values(data) if plain is None else plain


def _plain_values(header: Header) -> NDArray[Any] | None:
    rows, columns, bits, stored, high, samples = (
        _number(header, k)
        for k in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel")
    )
    signed = _number(header, "PixelRepresentation")
    frames = header.get(_tag("NumberOfFrames")).strip(b"\0 ") or b"1"
    if header.transfer_syntax not in _PLAIN or (bits, samples) != (_WORD_BITS, 1):
        return None
    if high != stored - 1 or (signed and stored < bits) or not frames.isdigit():
        return None
    shape = (rows, columns) if int(frames) == 1 else (int(frames), rows, columns)
    value = header.get(PIXEL_DATA)
    n_values = int(np.prod(shape))
    if not n_values or len(value) < 2 * n_values:
        return None
    values = np.frombuffer(value, "<i2" if signed else "<u2", count=n_values).reshape(shape)
    return None if not signed and int(values.max()) >= 1 << stored else values


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(keyword)
    return tag


def _number(header: Header, keyword: str) -> int:
    return int.from_bytes(header.get(_tag(keyword)), "little")


def images_in(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the images of an instance, each of shape (rows, columns); colours one by one.

    Letters may differ from what lies below them in colour alone: their grey is the same.
    """
    if values.ndim == 2:
        yield values
        return
    if values.shape[-1] in (3, 4) and values.ndim == 3:
        values = values[np.newaxis]
    for frame in values:
        if frame.ndim == 2:
            yield frame
        else:
            yield from (np.ascontiguousarray(frame[..., colour]) for colour in range(3))
