"""The few attributes that the proof needs, from a scanned header (`schemas.dicom.header_scan`)."""

from __future__ import annotations

import struct

from schemas.dicom.header_scan import ScannedHeader
from schemas.dicom.header_values import UNKNOWN

SOP_UID, IMAGE_TYPE, FRAMES = 0x00080018, 0x00080008, 0x00280008
SAMPLES, ROWS, COLUMNS = 0x00280002, 0x00280010, 0x00280011
BITS_ALLOCATED, BITS_STORED, HIGH_BIT, SIGNED = 0x00280100, 0x00280101, 0x00280102, 0x00280103
INTERCEPT, SLOPE = 0x00281052, 0x00281053
PHILIPS_CREATOR, PHILIPS_SLOPE = 0x20050010, 0x2005100E
PHILIPS_BLOCK = b"Philips MR Imaging DD 001"

_WANTED = {
    SOP_UID: "UI",
    IMAGE_TYPE: "CS",
    FRAMES: "IS",
    **dict.fromkeys((SAMPLES, ROWS, COLUMNS, BITS_ALLOCATED), "US"),
    **dict.fromkeys((BITS_STORED, HIGH_BIT, SIGNED), "US"),
    **dict.fromkeys((INTERCEPT, SLOPE), "DS"),
    PHILIPS_CREATOR: "LO",
    PHILIPS_SLOPE: "FL",
}
_LAST_PHILIPS_CREATOR = 0x200500FF


def require_usual(header: ScannedHeader) -> None:
    """Leave a header to the full parser whose attributes for the proof are not as usual.

    Raises
    ------
    ValueError
        If the pixels are compressed, one has another VR than the standard's, or the vendor's
        block lies elsewhere.
    """
    if not header.is_native:
        raise ValueError("compressed pixels")
    for tag, vr in _WANTED.items():
        if tag in header.places and header.places[tag].vr not in (None, UNKNOWN, vr):
            raise ValueError("an unusual VR")
    for tag in header.private.get(PHILIPS_CREATOR >> 16, ()):
        moved = PHILIPS_CREATOR < tag <= _LAST_PHILIPS_CREATOR
        if moved and header.element(tag)[1].strip(b" \0") == PHILIPS_BLOCK:
            raise ValueError("the vendor's block lies elsewhere")


def philips_slope(header: ScannedHeader) -> float | None:
    """Return the vendor's scale slope (2005,100E) where its block is the one expected."""
    if PHILIPS_SLOPE not in header.places or PHILIPS_CREATOR not in header.places:
        return None
    if header.element(PHILIPS_CREATOR)[1].strip(b" \0") != PHILIPS_BLOCK:
        return None
    _, value = header.element(PHILIPS_SLOPE)
    if len(value) != 4:
        raise ValueError("not one single-precision number")
    return float(struct.unpack("<f", value)[0])
