"""Where the attributes of a header stand, straight from its bytes.

A header of an MR scanner has hundreds of private attributes that pydicom would parse for
every file. The scanner steps over them. A header is given in explicit and implicit VR little
endian, pixels native or compressed, or None: then pydicom reads the file, which is the
reference the tests hold this against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.dicom.elements import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    PIXEL_DATA,
    Place,
    scan_places,
)
from schemas.dicom.plain_runs import SHORT_VRS
from schemas.dicom.scan_errors import ScanError
from schemas.dicom.scanner import UNDEFINED_LENGTH

#: Transfer syntaxes of the JPEG family and of RLE (PS3.6 table A-1).
_JPEG_FAMILY, _RLE = "1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5"
_SOP_CLASS = 0x00020002


class Likeness(NamedTuple):
    """How a header is like one that was read whole, which stands here without its bytes.

    Both have the same elements in the same order, and the same values but of `changed`. Where
    the pixels stand and how many they are is not told.
    """

    known: ScannedHeader
    changed: tuple[int, ...]


@dataclass(frozen=True)
class ScannedHeader:
    """Where the attributes of file meta and of the top level are, and where the pixels are.

    `start` are the bytes of the file that were at hand. `places` say for every attribute where
    in `start` it lies. `private` has the tags of private groups by group, in file order.
    """

    start: bytes
    places: Mapping[int, Place]
    private: Mapping[int, Sequence[int]]
    syntax: str
    likeness: Likeness | None = None

    @property
    def sop_class(self) -> str:
        """The SOP class that file meta states."""
        value = self.element(_SOP_CLASS)[1] if _SOP_CLASS in self.places else b""
        return value.decode("ascii", "replace").strip(" \0")

    @property
    def pixel_offset(self) -> int:
        """Where the value of the pixels begins."""
        return self.places[PIXEL_DATA].begin

    @property
    def pixel_length(self) -> int:
        """Bytes of the pixels; `UNDEFINED_LENGTH` of compressed ones."""
        pixels = self.places[PIXEL_DATA]
        return UNDEFINED_LENGTH if pixels.undefined_length else pixels.end - pixels.begin

    @property
    def is_native(self) -> bool:
        """Whether the pixels stand in the file as they are."""
        return self.syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE)

    def element(self, tag: int) -> tuple[str, bytes]:
        """Return VR (empty where the file does not say) and value of an attribute."""
        _, vr, _, begin, end, _ = self.places[tag]
        return vr or "", self.start[begin:end]

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
        structure, an element twice, no pixel data within `start`.

    Notes
    -----
    DICOM PS3.5 7.1 (data elements), 7.5 (nesting), PS3.10 7.1 (file meta information).
    """
    try:
        syntax, places = scan_places(start)
    except ScanError:
        return None
    compressed = syntax.startswith(_JPEG_FAMILY) or syntax == _RLE
    if syntax not in (EXPLICIT_LITTLE, IMPLICIT_LITTLE) and not compressed:
        return None
    pixels = places[-1]
    if pixels.undefined_length != compressed or pixels.vr in SHORT_VRS.values():
        return None
    first = next(place for place in places if place.tag >> 16 != _SOP_CLASS >> 16)
    # A header that says implicit but is explicit has two letters where the length should be.
    if syntax == IMPLICIT_LITTLE and start[first.start + 4 : first.start + 6].isalpha():
        return None
    by_tag = {place.tag: place for place in places}
    if len(by_tag) < len(places):
        return None
    return ScannedHeader(start, by_tag, _private_tags(by_tag), syntax)


def _private_tags(places: Mapping[int, Place]) -> dict[int, Sequence[int]]:
    private: dict[int, list[int]] = {}
    for tag in [tag for tag in places if tag >> 16 & 1]:
        private.setdefault(tag >> 16, []).append(tag)
    return dict(private)
