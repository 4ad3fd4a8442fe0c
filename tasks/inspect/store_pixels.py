"""The stored values of a de-identified file, fast where they lie plain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from schemas.dicom.elements import PIXEL_DATA, scan_file, scan_places
from schemas.dicom.pixel_values import decoded_values
from schemas.dicom.scan_errors import ScanError

_PLAIN = frozenset({str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)})
_WORD_BITS = 16


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(keyword)
    return tag


_FRAMES = _tag("NumberOfFrames")
_NUMBERS = tuple(
    _tag(keyword)
    for keyword in (
        *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"),
        *("SamplesPerPixel", "PixelRepresentation"),
    )
)
_WANTED = frozenset({*_NUMBERS, _FRAMES, PIXEL_DATA})


def values_of_file(path: Path) -> NDArray[Any]:
    """Return the values of a file as `schemas.dicom.pixel_values.decoded_values` does.

    Nine of ten objects hold 16-bit words that need no decoder; those that use every bit of a
    word, or are unsigned and use no bit beyond the stored ones, are read as they lie.

    Raises
    ------
    Exception
        Whatever scanning, reading or decoding raises: the caller holds the series.
    """
    data = path.read_bytes()
    facts = _facts_of(data)
    if facts is None:
        scan_file(data)  # strictly: raises what is wrong with it
        return decoded_values(data)
    plain = _plain_values(facts)
    return decoded_values(data) if plain is None else plain


def _facts_of(data: bytes) -> dict[int, memoryview] | None:
    """Return the elements that say how pixels lie, and these; None where they are not plain.

    Sequences are stepped over: of a header of hundreds of elements nine matter.
    """
    try:
        syntax, places = scan_places(data)
    except ScanError:
        return None
    found: dict[int, memoryview] = {}
    whole = memoryview(data)
    for place in places if syntax in _PLAIN else ():
        if place.tag in _WANTED:
            if place.tag in found or place.undefined_length or place.end > len(data):
                return None
            found[place.tag] = whole[place.begin : place.end]
    return found or None


def _plain_values(facts: dict[int, memoryview]) -> NDArray[Any] | None:
    rows, columns, bits, stored, high, samples, signed = (
        int.from_bytes(facts.get(tag, b""), "little") for tag in _NUMBERS
    )
    frames = bytes(facts.get(_FRAMES, b"")).strip(b"\0 ") or b"1"
    if (bits, samples) != (_WORD_BITS, 1) or not frames.isdigit():
        return None
    if high != stored - 1 or (signed and stored < bits):
        return None
    shape = (rows, columns) if int(frames) == 1 else (int(frames), rows, columns)
    value = facts.get(PIXEL_DATA, b"")
    n_values = int(np.prod(shape))
    if not n_values or len(value) < 2 * n_values:
        return None
    values = np.frombuffer(value, "<i2" if signed else "<u2", count=n_values).reshape(shape)
    return None if not signed and int(values.max()) >= 1 << stored else values


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
