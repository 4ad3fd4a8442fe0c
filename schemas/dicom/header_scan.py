"""Where the attributes of a header stand, straight from its bytes.

A header of an MR scanner has hundreds of private attributes that pydicom would parse for
every file. This scanner steps over them. It handles explicit and implicit VR little endian,
pixels native or compressed, with nested and undefined-length sequences, or answers None: then
pydicom reads the file, which is the reference the tests hold this scanner against.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE, LONG_VRS
from schemas.dicom.plain_runs import PIXEL_DATA, SHORT_VRS, explicit_run

_LONG_VRS = frozenset(vr.encode() for vr in LONG_VRS)
_SHORT_ELEMENT = struct.Struct("<HH2sH").unpack_from
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
_MAX_DEPTH = 64
_META_START = 132
#: Transfer syntaxes of the JPEG family and of RLE (PS3.6 table A-1).
_JPEG_FAMILY, _RLE = "1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5"
_TRANSFER_SYNTAX, _SOP_CLASS = 0x00020010, 0x00020002


#: VR, where the value begins, its length.
Place = tuple[bytes, int, int]


@dataclass(frozen=True)
class ScannedHeader:
    """Where the attributes of the top level are, and where the pixels are.

    `places` says for every attribute of the top level where in `start` its value lies: VR
    (empty in implicit VR), offset, length; sequences of undefined length have none.
    `private` has the tags of private groups by group, in file order. `steps` are the elements
    that were not taken in by `explicit_run`, at any depth: where each begins, where its value
    begins, its length.
    """

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
        return self.syntax != IMPLICIT_LITTLE

    @property
    def is_native(self) -> bool:
        """Return whether the pixels stand in the file as they are."""
        return self.syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE)

    def element(self, tag: int) -> tuple[str, bytes]:
        """Return VR and value of an attribute of the top level."""
        vr, offset, length = self.places[tag]
        return vr.decode("ascii"), self.start[offset : offset + length]

    def text(self, tag: int) -> str | None:
        """Return a string attribute, None when absent or empty."""
        # Padding only: a NUL before the value spoils it, the full parser says how.
        value = self.element(tag)[1] if tag in self.places else b""
        return value.decode("ascii").rstrip(" \0").lstrip(" ") or None

    def number(self, tag: int) -> int | None:
        """Return an attribute of VR US, None when absent."""
        if tag not in self.places:
            return None
        _, value = self.element(tag)
        if len(value) != 2:
            raise ValueError("not one unsigned short")
        return int.from_bytes(value, "little")


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
        structure, no pixel data within `start`. `pixel_length` of compressed pixels is
        `UNDEFINED`.

    Notes
    -----
    DICOM PS3.5 7.1 (data elements), 7.5 (nesting), PS3.10 7.1 (file meta information).
    """
    try:
        syntax, sop_class, offset = scan_meta(start)
        if syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE) or _is_compressed(syntax):
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
    if vr in SHORT_VRS:
        return tag, vr, short, offset + 8
    if vr in _LONG_VRS:
        return tag, vr, struct.unpack_from("<I", start, offset + 8)[0], offset + 12
    raise NotForUsError


def _is_compressed(syntax: str) -> bool:
    """Return whether pixels are encapsulated, in explicit VR little endian (PS3.5 A.4)."""
    return syntax.startswith(_JPEG_FAMILY) or syntax == _RLE


def _scan(start: bytes, offset: int, syntax: str, sop_class: str) -> ScannedHeader:
    explicit = syntax != IMPLICIT_LITTLE
    # A header that says implicit but is explicit has two letters where the length should be.
    if not explicit and start[offset + 4 : offset + 6].isalpha():
        raise NotForUsError
    places: dict[int, Place] = {}
    steps: list[tuple[int, int, int]] = []
    depth = 0
    while True:
        if explicit and depth == 0:
            plain = explicit_run(start, offset, len(start), _SHORT_ELEMENT)
            places |= {tag: (vr, begin, end - begin) for tag, vr, begin, end in plain}
            offset = plain[-1][3] if plain else offset
        tag, vr, length, value = read_element(start, offset, explicit=explicit)
        steps.append((offset, value, length))
        if tag == PIXEL_DATA and depth == 0:
            if (length == UNDEFINED) != _is_compressed(syntax) or vr in SHORT_VRS:
                raise NotForUsError
            private = _private_tags(places)
            return ScannedHeader(value, length, start, places, private, syntax, sop_class, steps)
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


def _private_tags(places: Mapping[int, Place]) -> dict[int, Sequence[int]]:
    private: dict[int, list[int]] = {}
    for tag in [tag for tag in places if tag >> 16 & 1]:
        private.setdefault(tag >> 16, []).append(tag)
    return dict(private)


def _opened(tag: int, vr: bytes, *, explicit: bool) -> int:
    """Return how much deeper an element of undefined length leads."""
    if tag == _ITEM:
        return 0
    # Unknown content of undefined length is implicit inside: the full parser's business.
    if explicit and vr != b"SQ":
        raise NotForUsError
    return 1
