"""Whether the pixel bytes are an image and nothing else: they are carried over unchanged.

Whatever a decoder does not read of them would travel along: bytes behind the last pixel,
segments that decoding does not need, bits above those that are stored (PS3.5 8.1.1), in which
old systems kept overlays and in which letters can be drawn.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from schemas.dicom.charsets import decode_text
from schemas.dicom.elements import PIXEL_DATA, Header
from schemas.states import ReasonCode
from tasks.deidentify.plan.codestreams import Inside, look_inside
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.plan.segments import Plane
from tasks.deidentify.rules.profile import tag_of
from tasks.deidentify.rules.values import keep_numbers

Pixels = NDArray[np.unsignedinteger]
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_ONE_BYTE = 8
_ORDER: dict[bool, Literal["little", "big"]] = {True: "little", False: "big"}
_BEYOND_BITS = Refusal(ReasonCode.PIXEL_BYTES_BESIDE_IMAGE, "bits beyond BitsStored")
_BITS_ALLOCATED = (16, 32)


def check_pixel_bytes(header: Header) -> Refusal | None:
    """Return why the pixel bytes cannot go out as they are, or None when they can."""
    pixels = header.elements.get(PIXEL_DATA)
    if pixels is None or not pixels.value:
        return Refusal(ReasonCode.NO_PIXEL_DATA)
    if not pixels.undefined_length:
        return check_native_pixels(stated_pixels(header), pixels.value)
    stated = stated_pixels(header)
    return _refused_kind(stated) or _check_encapsulated(header, stated, pixels.value)


class StatedPixels(NamedTuple):
    """What a header states of its pixels; `n_bytes` of all frames, `padding` -1 where none is."""

    samples: int
    is_grey: bool
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    n_bytes: int
    padding: int
    is_little: bool


#: All that `stated_pixels` reads.
STATED_OF_PIXELS = frozenset(
    tag_of(keyword)
    for keyword in (
        *("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored"),
        *("HighBit", "PixelRepresentation", "Rows", "Columns", "NumberOfFrames"),
        "PixelPaddingValue",
    )
)


def stated_pixels(header: Header) -> StatedPixels:
    """Return what a header states of its pixels."""
    padding = header.get(tag_of("PixelPaddingValue"))
    little = header.encoding.little
    return StatedPixels(
        samples=number_of(header, "SamplesPerPixel"),
        is_grey=decode_text(header.get(tag_of("PhotometricInterpretation"))) in _MONOCHROME,
        bits_allocated=number_of(header, "BitsAllocated"),
        bits_stored=number_of(header, "BitsStored"),
        high_bit=number_of(header, "HighBit"),
        is_signed=bool(number_of(header, "PixelRepresentation")),
        n_bytes=_frame_bytes(header) * frames_of(header),
        padding=int.from_bytes(padding, _ORDER[little]) if len(padding) == 2 else -1,
        is_little=little,
    )


def check_native_pixels(stated: StatedPixels, value: bytes | memoryview) -> Refusal | None:
    """Return why pixels that are not compressed cannot go out as they are, or None."""
    refused = _refused_kind(stated)
    if refused is not None:
        return refused
    expected, bits = stated.n_bytes, stated.bits_allocated
    if len(value) < expected or expected == 0:
        return Refusal(ReasonCode.TRUNCATED)
    # Bytes behind the last pixel are no image: unless zero, nobody knows what they say.
    if bytes(value[expected:]).strip(b"\0"):
        return Refusal(ReasonCode.PIXEL_BYTES_BESIDE_IMAGE, "bytes behind the last pixel")
    if bits not in _BITS_ALLOCATED:
        return Refusal(ReasonCode.UNPARSABLE, "BitsAllocated")
    dtype = f"{'<' if stated.is_little else '>'}u{bits // 8}"
    return _check_bits(stated, np.frombuffer(value[:expected], dtype))


def _refused_kind(stated: StatedPixels) -> Refusal | None:
    few_bits = stated.bits_allocated <= _ONE_BYTE or stated.bits_stored <= _ONE_BYTE
    refused = stated.samples != 1 or not stated.is_grey or few_bits
    return Refusal(ReasonCode.EIGHT_BIT_PIXELS) if refused else None


def frames_of(header: Header) -> int:
    """Return how many frames the header states; one where it does not."""
    return number_of(header, "NumberOfFrames", default=1)


def number_of(header: Header, keyword: str, default: int = 0) -> int:
    """Return a whole number of the header, `default` when it has none."""
    element = header.elements.get(tag_of(keyword))
    if element is None:
        return default
    if element.vr in ("US", None) and len(element.value) == 2:
        return int.from_bytes(element.value, _ORDER[header.encoding.little])
    vr = "IS" if keyword == "NumberOfFrames" else "US"
    kept = keep_numbers(element.vr, vr, element.value, little=header.encoding.little)
    return int(kept.numbers[0]) if kept is not None and kept.numbers else default


def _frame_bytes(header: Header) -> int:
    bits = number_of(header, "BitsAllocated")
    return number_of(header, "Rows") * number_of(header, "Columns") * bits // 8


def look_inside_of(header: Header) -> Inside:
    """Return what the compressed pixel data of an object holds beside its images."""
    rows, columns = number_of(header, "Rows"), number_of(header, "Columns")
    plane = Plane(rows, columns, _frame_bytes(header))
    value = header.get(PIXEL_DATA)
    return look_inside(value, header.transfer_syntax, plane, frames_of(header))


def _check_encapsulated(header: Header, stated: StatedPixels, value: bytes) -> Refusal | None:
    inside = look_inside_of(header)
    if inside.beside:
        return Refusal(ReasonCode.PIXEL_BYTES_BESIDE_IMAGE, inside.beside)
    if inside.bits <= stated.bits_stored:
        return None
    return _check_bits(stated, _decoded(header, value))


def _decoded(header: Header, value: bytes) -> Pixels:
    """Decode every bit that the codestream has: decoders cut off what the header leaves out."""
    from pydicom.pixels.decoders.base import (
        get_decoder,
    )  # no other object needs the decoders loaded

    bits = number_of(header, "BitsAllocated")
    image = Dataset()
    image.Rows, image.Columns = number_of(header, "Rows"), number_of(header, "Columns")
    image.BitsAllocated = image.BitsStored = bits
    image.HighBit, image.PixelRepresentation = bits - 1, 0
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.NumberOfFrames = frames_of(header)
    image.PixelData = value
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    pixels, _ = get_decoder(UID(header.transfer_syntax)).as_array(image, raw=True)
    unsigned: Pixels = pixels.astype(f"u{bits // 8}", copy=False).ravel()
    return unsigned


def _check_bits(stated: StatedPixels, pixels: Pixels) -> Refusal | None:
    """Refuse bits beyond the stored ones, unless they repeat the sign or are all padding."""
    stored, high, bits = stated.bits_stored, stated.high_bit, stated.bits_allocated
    if high != stored - 1:
        # Retired since 2004 (PS3.5 8.1.1): readers disagree on which bits are the value.
        unused = ((1 << bits) - 1) ^ (((1 << stored) - 1) << max(0, high - stored + 1))
        return _BEYOND_BITS if np.bitwise_or.reduce(pixels) & unused else None
    if stored >= bits:
        return None
    limit = 1 << stored
    if not stated.is_signed:
        whole = int(pixels.max()) < limit
        return None if whole else _unless_padding(stated, pixels[pixels >= limit])
    signed = pixels.view(pixels.dtype.str.replace("u", "i"))
    if -(limit >> 1) <= int(signed.min()) and int(signed.max()) < limit >> 1:
        return None
    # Some writers do not repeat the sign: bits that are not stored are zero then.
    repeats_sign = (signed >= -(limit >> 1)) & (signed < limit >> 1)
    return _unless_padding(stated, pixels[~repeats_sign & (pixels >= limit)])


def _unless_padding(stated: StatedPixels, beyond: Pixels) -> Refusal | None:
    """Refuse values of too many bits that are not the one value that stands for no pixel."""
    return None if (beyond == stated.padding).all() else _BEYOND_BITS
