"""Mask a picture as a person decided: one value in the boxes, every other value as it was. Pure.

The boxes hold for every frame. Plain pixels are changed where they stand; compressed ones are
decoded and written plain (explicit VR little endian), so that nothing outside the boxes is
compressed a second time. A stated smallest and largest value is dropped: it may hold no longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.elements import (
    EXPLICIT_LITTLE,
    PIXEL_DATA,
    Header,
    RawElement,
    encoding_of,
)
from schemas.dicom.pixel_values import decoded_values
from schemas.pixel_decisions import Box
from tasks.deidentify.deidentified import NotAsPlannedError
from tasks.deidentify.plan.pixel_bytes import frames_of, number_of
from tasks.deidentify.rules.profile import tag_of

_Bits = NDArray[np.unsignedinteger]
_PADDING = tag_of("PixelPaddingValue")
_EXTREMES = (tag_of("SmallestImagePixelValue"), tag_of("LargestImagePixelValue"))


def masked(header: Header, data: bytes, boxes: Sequence[Box]) -> Header:
    """Return the header of the object with what lies in the boxes set to `fill_bits`.

    Parameters
    ----------
    header : Header
        A scanned object of one sample a pixel, as `data` has it.
    data : bytes
        The whole file.
    boxes : sequence of Box
        In stored pixels, origin top left, on every frame.

    Raises
    ------
    NotAsPlannedError
        If a box lies outside the image, or its values do not fill its pixels from bit 0 on.
    """
    rows, columns = number_of(header, "Rows"), number_of(header, "Columns")
    if any(not _is_inside(box, rows, columns) for box in boxes) or not boxes:
        raise NotAsPlannedError("a box to mask lies outside the image")
    if number_of(header, "HighBit") != number_of(header, "BitsStored") - 1:
        raise NotAsPlannedError("the bits of the values do not begin at bit 0")
    pixels = header.elements[PIXEL_DATA]
    syntax = EXPLICIT_LITTLE if pixels.undefined_length else header.transfer_syntax
    bits, behind = _bits_of(header, data)
    for box in boxes:
        bits[:, box.y : box.y + box.height, box.x : box.x + box.width] = fill_bits(header)
    value = bits.tobytes() + behind
    elements = {tag: e for tag, e in header.elements.items() if tag not in _EXTREMES}
    elements[PIXEL_DATA] = RawElement(PIXEL_DATA, "OW", value)
    return replace(
        header, transfer_syntax=syntax, encoding=encoding_of(syntax), elements=elements, places=()
    )


def fill_bits(header: Header) -> int:
    """Return the bits that stand for no picture: PixelPaddingValue, else the least stored value.

    The least value that BitsStored can hold is black in MONOCHROME2 and lies outside whatever
    the picture shows; it is the same on all slices of a series.
    """
    width = number_of(header, "BitsAllocated")
    padding = header.get(_PADDING)
    if len(padding) * 8 == width:
        return int.from_bytes(padding, "little" if header.encoding.little else "big")
    if not number_of(header, "PixelRepresentation"):
        return 0
    least = -(1 << number_of(header, "BitsStored") - 1)
    return least & ((1 << width) - 1)


def require_masked(source: bytes, output: bytes, boxes: Sequence[Box]) -> None:
    """Check on what was written, read back by pydicom, that the boxes and nothing else changed.

    Without boxes nothing was masked, and another check compares the bytes.

    Raises
    ------
    NotAsPlannedError
        If a value outside the boxes differs, or one inside is not the value it was set to.
    """
    if not boxes:
        return
    before, after = decoded_values(source), decoded_values(output)
    if before.shape != after.shape:
        raise NotAsPlannedError("the masked image has another shape")
    inside = np.zeros(before.shape[-2:], dtype=bool)
    for box in boxes:
        inside[box.y : box.y + box.height, box.x : box.x + box.width] = True
    kept = np.array_equal(before[..., ~inside], after[..., ~inside])
    if not kept or np.unique(after[..., inside]).size != 1:
        raise NotAsPlannedError("the masked image differs from what was planned")


def _is_inside(box: Box, rows: int, columns: int) -> bool:
    return (
        box.width > 0
        and box.height > 0
        and min(box.x, box.y) >= 0
        and box.x + box.width <= columns
        and box.y + box.height <= rows
    )


def _bits_of(header: Header, data: bytes) -> tuple[_Bits, bytes]:
    """Return the pixels as (frames, rows, columns) bits to change, and bytes behind the last."""
    width = number_of(header, "BitsAllocated")
    shape = frames_of(header), number_of(header, "Rows"), number_of(header, "Columns")
    pixels = header.elements[PIXEL_DATA]
    if pixels.undefined_length:
        decoded = decoded_values(data).reshape(shape)
        return decoded.astype(f"<u{width // 8}"), b""
    order = "<" if header.encoding.little else ">"
    end = shape[0] * shape[1] * shape[2] * width // 8
    bits = np.frombuffer(pixels.value[:end], f"{order}u{width // 8}").reshape(shape)
    return bits.copy(), pixels.value[end:]
