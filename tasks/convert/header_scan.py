"""The few attributes that the proof needs, read straight from header bytes.

A header of an MR scanner has hundreds of private attributes that pydicom would parse for
every file. This scanner steps over them. It handles explicit and implicit VR little endian
with nested and undefined-length sequences, or answers None: then pydicom reads the file,
which is the reference the tests hold this scanner against.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.convert.encoded import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN

SOP_UID, IMAGE_TYPE, FRAMES = 0x00080018, 0x00080008, 0x00280008
SAMPLES, ROWS, COLUMNS = 0x00280002, 0x00280010, 0x00280011
BITS_ALLOCATED, BITS_STORED, HIGH_BIT, SIGNED = 0x00280100, 0x00280101, 0x00280102, 0x00280103
INTERCEPT, SLOPE = 0x00281052, 0x00281053
PHILIPS_CREATOR, PHILIPS_SLOPE = 0x20050010, 0x2005100E
PHILIPS_BLOCK = b"Philips MR Imaging DD 001"
PIXEL_DATA = 0x7FE00010

#: Private groups that anything is ever asked of.
_VENDOR_GROUPS = frozenset({0x0019, 0x0029, 0x0043, 0x0065, 0x2001, 0x2005})
_WANTED = {
    SOP_UID: b"UI",
    IMAGE_TYPE: b"CS",
    FRAMES: b"IS",
    **dict.fromkeys((SAMPLES, ROWS, COLUMNS, BITS_ALLOCATED), b"US"),
    **dict.fromkeys((BITS_STORED, HIGH_BIT, SIGNED), b"US"),
    **dict.fromkeys((INTERCEPT, SLOPE), b"DS"),
    PHILIPS_CREATOR: b"LO",
    PHILIPS_SLOPE: b"FL",
}
_LAST_PHILIPS_CREATOR = 0x200500FF
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_ELEMENT = struct.Struct("<HH2sH")
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
_MAX_DEPTH = 64
_META_START = 132
_TRANSFER_SYNTAX, _SOP_CLASS = 0x00020010, 0x00020002


#: VR, where the value begins, its length.
Place = tuple[bytes, int, int]


@dataclass(frozen=True)
class ScannedHeader:
    """Raw values of the wanted attributes at the top level, and where the pixels are.

    `places` says for every attribute of the top level where in `start` its value lies: VR
    (empty in implicit VR), offset, length; sequences of undefined length have none.
    `private` has the tags of vendors' groups by group, in file order. `steps` are the elements
    that were not taken in by `_plain_run`, at any depth: where each begins, where its value
    begins, its length.
    """

    values: Mapping[int, bytes]
    pixel_offset: int
    pixel_length: int
    start: bytes
    places: Mapping[int, Place]
    private: Mapping[int, Sequence[int]]
    syntax: str
    sop_class: str
    steps: Sequence[tuple[int, int, int]]

    @property
    def explicit(self) -> bool:
        """Return whether the header names the VR of each element."""
        return self.syntax == EXPLICIT_LITTLE_ENDIAN

    def element(self, tag: int) -> tuple[str, bytes]:
        """Return VR and value of an attribute of the top level."""
        vr, offset, length = self.places[tag]
        return vr.decode("ascii"), self.start[offset : offset + length]

    def text(self, tag: int) -> str | None:
        """Return a string attribute, None when absent or empty."""
        # Padding only: a NUL before the value spoils it, the full parser says how.
        value = self.values.get(tag, b"").decode("ascii").rstrip(" \0").lstrip(" ")
        return value or None

    def number(self, tag: int) -> int | None:
        """Return an attribute of VR US, None when absent."""
        value = self.values.get(tag)
        if value is None:
            return None
        if len(value) != 2:
            raise ValueError("not one unsigned short")
        return int.from_bytes(value, "little")


def philips_slope(header: ScannedHeader) -> float | None:
    """Return the vendor's scale slope (2005,100E) where its block is the one expected."""
    value = header.values.get(PHILIPS_SLOPE)
    creator = header.values.get(PHILIPS_CREATOR, b"").strip(b" \0")
    if value is None or creator != PHILIPS_BLOCK:
        return None
    if len(value) != 4:
        raise ValueError("not one single-precision number")
    return float(struct.unpack("<f", value)[0])


class NotForUsError(Exception):
    """The header holds something that the full parser must judge."""


def scan_header(start: bytes) -> ScannedHeader | None:
    """Scan the first bytes of a DICOM file up to its pixel data.

    Parameters
    ----------
    start : bytes
        The whole file or as much of it as holds all before the pixels.

    Returns
    -------
    ScannedHeader or None
        None when the full parser must read the file: another transfer syntax, an unusual
        structure, no native pixel data within `start`.

    Notes
    -----
    DICOM PS3.5 7.1 (data elements), 7.5 (nesting), PS3.10 7.1 (file meta information).
    """
    try:
        syntax, sop_class, offset = scan_meta(start)
        if syntax in (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN):
            return _scan(start, offset, syntax, sop_class)
    except (NotForUsError, struct.error):
        # An element that goes beyond `start` ends here too.
        pass
    return None


def scan_meta(start: bytes) -> tuple[str, str, int]:
    """Return transfer syntax, SOP class and where the file meta information ends."""
    if start[128:_META_START] != b"DICM":
        raise NotForUsError
    offset, meta = _META_START, dict[int, str]()
    while start[offset : offset + 2] == b"\x02\x00":
        tag, _, length, value = read_element(start, offset, explicit=True)
        if length == UNDEFINED:
            raise NotForUsError
        offset = value + length
        if tag in (_TRANSFER_SYNTAX, _SOP_CLASS):
            meta[tag] = start[value:offset].decode("ascii", "replace").strip(" \0")
    return meta.get(_TRANSFER_SYNTAX, ""), meta.get(_SOP_CLASS, ""), offset


def read_element(start: bytes, offset: int, *, explicit: bool) -> tuple[int, bytes, int, int]:
    """Return tag, VR, length and where the value begins."""
    group, number, vr, short = struct.unpack_from("<HH2sH", start, offset)
    tag = group << 16 | number
    if group == 0xFFFE or not explicit:
        return tag, b"", int.from_bytes(start[offset + 4 : offset + 8], "little"), offset + 8
    if vr in _SHORT_VRS:
        return tag, vr, short, offset + 8
    if vr in _LONG_VRS:
        return tag, vr, struct.unpack_from("<I", start, offset + 8)[0], offset + 12
    raise NotForUsError


def _scan(start: bytes, offset: int, syntax: str, sop_class: str) -> ScannedHeader:
    explicit = syntax == EXPLICIT_LITTLE_ENDIAN
    # A header that says implicit but is explicit has two letters where the length should be.
    if not explicit and start[offset + 4 : offset + 6].isalpha():
        raise NotForUsError
    places: dict[int, Place] = {}
    steps: list[tuple[int, int, int]] = []
    depth = 0
    while True:
        if explicit and depth == 0:
            offset = _plain_run(start, offset, places)
        tag, vr, length, value = read_element(start, offset, explicit=explicit)
        steps.append((offset, value, length))
        if tag == PIXEL_DATA and depth == 0:
            if length == UNDEFINED:
                raise NotForUsError
            private = _private_tags(places)
            values = wanted_values(start, places, private)
            return ScannedHeader(
                values, value, length, start, places, private, syntax, sop_class, steps
            )
        if depth == 0:
            places[tag] = (b"SQ", value, 0) if length == UNDEFINED else (vr, value, length)
        if length == UNDEFINED:
            depth += _opened(tag, vr, explicit=explicit)
            offset = value
            if depth > _MAX_DEPTH:
                raise NotForUsError
            continue
        if tag == _SEQUENCE_END:
            depth -= 1
        offset = value + length


def _plain_run(start: bytes, offset: int, places: dict[int, Place]) -> int:
    """Take in elements with a length of two bytes, nearly all of a header; return the next."""
    while True:
        group, number, vr, length = _SHORT_ELEMENT.unpack_from(start, offset)
        if vr not in _SHORT_VRS or group == _ITEM >> 16:
            return offset
        places[group << 16 | number] = (vr, offset + 8, length)
        offset += 8 + length


def _private_tags(places: Mapping[int, Place]) -> dict[int, Sequence[int]]:
    private: dict[int, list[int]] = {}
    for tag in [tag for tag in places if tag >> 16 in _VENDOR_GROUPS]:
        private.setdefault(tag >> 16, []).append(tag)
    return dict(private)


def wanted_values(
    start: bytes, places: Mapping[int, Place], private: Mapping[int, Sequence[int]]
) -> dict[int, bytes]:
    """Return the raw values of the wanted attributes; NotForUsError where one is unusual."""
    for tag in private.get(PHILIPS_CREATOR >> 16, ()):
        if PHILIPS_CREATOR < tag <= _LAST_PHILIPS_CREATOR:
            _, value, length = places[tag]
            _refuse_moved_block(start[value : value + length])
    return {tag: _wanted(start, tag, *places[tag]) for tag in _WANTED if tag in places}


def _refuse_moved_block(creator: bytes) -> None:
    """Leave a header whose vendor block lies elsewhere to the full parser."""
    if creator.strip(b" \0") == PHILIPS_BLOCK:
        raise NotForUsError


def _opened(tag: int, vr: bytes, *, explicit: bool) -> int:
    """Return how much deeper an element of undefined length leads."""
    if tag == _ITEM:
        return 0
    # Unknown content of undefined length is implicit inside: the full parser's business.
    if explicit and vr != b"SQ":
        raise NotForUsError
    return 1


def _wanted(start: bytes, tag: int, vr: bytes, value: int, length: int) -> bytes:
    if (vr and vr != _WANTED[tag]) or value + length > len(start):
        raise NotForUsError
    return start[value : value + length]
