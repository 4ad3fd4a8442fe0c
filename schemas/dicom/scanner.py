"""A scanner of DICOM elements in bytes, where they stand (DICOM PS3.5 section 7).

It knows encodings and nothing about meaning: values stay undecoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from struct import Struct, error
from typing import NamedTuple

from schemas.dicom.plain_runs import (
    PIXEL_DATA,
    SHORT_VRS,
    Place,
    Unpack,
    explicit_run,
    implicit_run,
    vr_from_dictionary,
)
from schemas.dicom.scan_errors import ScanError, TruncatedError

UNDEFINED_LENGTH = 0xFFFFFFFF
LONG_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
MAX_DEPTH = 16

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


@dataclass(frozen=True)
class Encoding:
    """How elements are laid out: explicit or implicit VR, little or big endian."""

    explicit: bool
    little: bool


#: Of file meta, in every file.
META_ENCODING = Encoding(explicit=True, little=True)


class RawElement(NamedTuple):
    """One element: tag, VR (None when the file does not say) and its bytes or items."""

    tag: int
    vr: str | None
    value: bytes
    items: tuple[tuple[RawElement, ...], ...] | None = None
    undefined_length: bool = False

    def __repr__(self) -> str:
        # A value may identify; it never shows.
        return f"RawElement({self.tag:08X}, {self.vr})"

    @property
    def group(self) -> int:
        """Group number of the tag."""
        return self.tag >> 16


@cache
def _unpackers(encoding: Encoding) -> tuple[Unpack, Unpack, Unpack, Unpack]:
    """Return what unpacks a tag, a length of two bytes, one of four, and a plain head."""
    order = "<" if encoding.little else ">"
    plain = "HH2sH" if encoding.explicit else "HHL"
    tag, short, long, head = (Struct(order + code).unpack_from for code in ("HH", "H", "L", plain))
    return tag, short, long, head


class Scanner:
    """Reads elements of one encoding out of bytes, where they stand.

    Parameters
    ----------
    data : bytes
    encoding : Encoding
    outline : bool
        Whether only places are wanted: sequences that state their length are stepped over, and
        a VR that the standard does not have ends the scan.
    """

    def __init__(self, data: bytes, encoding: Encoding, *, outline: bool = False) -> None:
        self._data = data
        self._encoding = encoding
        self._outline = outline
        self._tag, self._short, self._long, self._plain = _unpackers(encoding)

    def is_item_end(self, position: int, end: int) -> bool:
        """Return whether an item delimiter stands here."""
        return self._tag_at(position, end) == _ITEM_END

    def elements(self, start: int, end: int, depth: int) -> list[RawElement]:
        """Scan elements up to `end`, or up to an item delimiter."""
        found: list[RawElement] = []
        position = start
        while True:
            if depth <= MAX_DEPTH:
                position = self.run(position, end, found)
            if position >= end or self.is_item_end(position, end):
                return found
            element, position = self.element(position, end, depth)
            found.append(element)

    def run(
        self, position: int, end: int, found: list[RawElement], places: list[Place] | None = None
    ) -> int:
        """Scan plain elements all at once; return where the next element begins.

        `element` gives the same for them, one by one, and takes all that is not plain.
        """
        data = self._data
        plain = self._plain_run(position, end)
        found += [
            tuple.__new__(RawElement, (tag, vr, data[begin:after], None, False))
            for tag, vr, _, begin, after, _ in plain
        ]
        if places is not None:
            places += plain
        return plain[-1].end if plain else position

    def _plain_run(self, position: int, end: int) -> list[Place]:
        if self._encoding.explicit:
            return explicit_run(self._data, position, end, self._plain)
        return implicit_run(self._data, position, end, self._plain, sequences=not self._outline)

    def places(self, position: int, end: int) -> list[Place]:
        """Return the places of elements up to the pixels; they may lie beyond `end`."""
        found: list[Place] = []
        while not found or found[-1].tag != PIXEL_DATA:
            plain = self._plain_run(position, end)
            place = self.place(plain[-1].end if plain else position, end)
            found += [*plain, place]
            position = place.end
        return found

    def place(self, position: int, end: int) -> Place:
        """Return the place of one element of the top level."""
        tag = self._tag_at(position, end)
        vr, length, begin = self._head(position)
        if tag == PIXEL_DATA:
            undefined = length == UNDEFINED_LENGTH
            return Place(tag, vr, position, begin, begin + length * (not undefined), undefined)
        if length == UNDEFINED_LENGTH:
            _, after = self._undefined(tag, vr, begin, end, 0)
            return Place(tag, "SQ", position, begin, after, undefined_length=True)
        if begin + length > end:
            raise TruncatedError("an element ends beyond the file")
        return Place(tag, vr, position, begin, begin + length)

    def element(self, position: int, end: int, depth: int) -> tuple[RawElement, int]:
        """Scan one element; return it and where the next one begins."""
        if depth > MAX_DEPTH:
            raise ScanError("sequences are nested too deep")
        tag = self._tag_at(position, end)
        vr, length, start = self._head(position)
        if length == UNDEFINED_LENGTH:
            return self._undefined(tag, vr, start, end, depth)
        if start + length > end:
            raise TruncatedError("an element ends beyond the file")
        value = self._data[start : start + length]
        items = None
        if not self._outline and (vr or vr_from_dictionary(tag)) == "SQ":
            items = self.items(start, start + length, depth)
        return RawElement(tag, vr, value, items), start + length

    def _tag_at(self, position: int, end: int) -> int:
        if position + 8 > end:
            raise TruncatedError("the file ends inside an element")
        group, number = self._tag(self._data, position)
        return int(group) << 16 | int(number)

    def _head(self, position: int) -> tuple[str | None, int, int]:
        vr_bytes = self._data[position + 4 : position + 6]
        # Some writers fall back to implicit VR inside sequences of an explicit file.
        if not self._encoding.explicit or not (vr_bytes.isalpha() and vr_bytes.isupper()):
            if self._outline and self._encoding.explicit:
                raise ScanError("an element without a VR")
            return None, int(self._long(self._data, position + 4)[0]), position + 8
        vr = vr_bytes.decode("ascii")
        if vr not in LONG_VRS:
            if self._outline and vr_bytes not in SHORT_VRS:
                raise ScanError("a VR that the standard does not have")
            return vr, int(self._short(self._data, position + 6)[0]), position + 8
        try:
            return vr, int(self._long(self._data, position + 8)[0]), position + 12
        except error:
            raise TruncatedError("the file ends inside an element") from None

    def _undefined(
        self, tag: int, vr: str | None, start: int, end: int, depth: int
    ) -> tuple[RawElement, int]:
        if tag == PIXEL_DATA:
            after = self._after_fragments(start, end)
            return RawElement(tag, vr, self._data[start : after - 8], None, True), after
        if self._outline and vr not in ("SQ", "UN", None):
            raise ScanError("unknown content of unknown length")
        # UN of undefined length is a sequence in implicit VR little endian (PS3.5 6.2.2).
        inner = self
        if vr == "UN":
            encoding = Encoding(explicit=False, little=True)
            inner = Scanner(self._data, encoding, outline=self._outline)
        items, after = inner.undefined_items(start, end, depth)
        return RawElement(tag, "SQ", self._data[start:after], tuple(items), True), after

    def undefined_items(
        self, position: int, end: int, depth: int
    ) -> tuple[list[tuple[RawElement, ...]], int]:
        """Scan items up to the sequence delimiter."""
        items = []
        while (tag := self._tag_at(position, end)) != _SEQUENCE_END:
            if tag != _ITEM:
                raise ScanError("a sequence holds something else than items")
            item, position = self._item(position, end, depth)
            items.append(item)
        return items, position + 8

    def items(self, position: int, end: int, depth: int) -> tuple[tuple[RawElement, ...], ...]:
        """Scan the items of a sequence of defined length."""
        items = []
        while position < end:
            tag = self._tag_at(position, end)
            if tag == _SEQUENCE_END:
                break
            if tag != _ITEM:
                raise ScanError("a sequence holds something else than items")
            item, position = self._item(position, end, depth)
            items.append(item)
        return tuple(items)

    def _item(self, position: int, end: int, depth: int) -> tuple[tuple[RawElement, ...], int]:
        length = int(self._long(self._data, position + 4)[0])
        start = position + 8
        if length != UNDEFINED_LENGTH:
            if start + length > end:
                raise TruncatedError("an item ends beyond its sequence")
            return tuple(self.elements(start, start + length, depth + 1)), start + length
        found: list[RawElement] = []
        position = start
        while True:
            if depth < MAX_DEPTH:
                position = self.run(position, end, found)
            if self._tag_at(position, end) == _ITEM_END:
                break
            element, position = self.element(position, end, depth + 1)
            found.append(element)
        return tuple(found), position + 8

    def _after_fragments(self, position: int, end: int) -> int:
        while (tag := self._tag_at(position, end)) != _SEQUENCE_END:
            if tag != _ITEM:
                raise ScanError("encapsulated pixel data holds something else than fragments")
            position += 8 + int(self._long(self._data, position + 4)[0])
        return position + 8
