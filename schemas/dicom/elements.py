"""A strict scanner of DICOM elements: bytes in, elements with their raw bytes out.

It knows the four uncompressed encodings and nothing about meaning (DICOM PS3.5 section 7,
PS3.10 section 7). Values stay undecoded, so an element no rule allows costs nothing and
cannot raise; a file that does not scan to its end is held, not guessed at.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct, error
from typing import NamedTuple

from schemas.dicom.plain_runs import HEAD_BYTES, SHORT_VRS, explicit_run, implicit_run
from schemas.dicom.plain_runs import PIXEL_DATA as PIXEL_DATA
from schemas.dicom.plain_runs import Place as Place
from schemas.dicom.plain_runs import vr_from_dictionary as vr_from_dictionary
from schemas.dicom.scan_errors import ContradictionError, NotDicomError, ScanError, TruncatedError

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"

UNDEFINED_LENGTH = 0xFFFFFFFF
TRANSFER_SYNTAX = 0x00020010
LONG_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
MAX_DEPTH = 16

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PREAMBLE_BYTES = 128
#: Where elements begin in a file with preamble (PS3.10 7.1).
FIRST_ELEMENT = _PREAMBLE_BYTES + 4
#: A deflated header that grows beyond this is a bomb, not an image.
_MAX_INFLATED_BYTES = 2 << 30


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


class Inflated(NamedTuple):
    """A deflated data set, inflated, and the bytes of the file before and behind it."""

    before: bytes
    plain: bytes
    behind: bytes


@dataclass(frozen=True)
class Header:
    """A scanned file: what it is encoded in and all its top-level elements.

    `places` are those of file meta and data set in the order of the file; a deflated data set
    has none.
    """

    transfer_syntax: str
    encoding: Encoding
    elements: dict[int, RawElement]
    meta: dict[int, RawElement]
    places: tuple[Place, ...] = ()

    def get(self, tag: int) -> bytes:
        """Return the value bytes of a top-level element, empty when it is absent."""
        element = self.elements.get(tag)
        return element.value if element is not None else b""


def scan_file(data: bytes) -> Header:
    """Scan a whole DICOM file.

    Parameters
    ----------
    data : bytes
        The file, with or without preamble and file meta.

    Raises
    ------
    NotDicomError
        If it has neither the DICM mark nor a data set that begins with group 0002 or 0008.
    TruncatedError
        If it ends inside an element.
    ContradictionError
        If an element stands twice in the data set with two values.
    ScanError
        If it cannot be scanned for another reason, e.g. nesting beyond `MAX_DEPTH`.
    """
    start = _start_of_elements(data)
    places: list[Place] = []
    meta, body_start = _scan_meta(data, start, places)
    syntax = _ascii(meta.get(TRANSFER_SYNTAX)) or _guess_syntax(data, body_start)
    if syntax == DEFLATED_LITTLE:
        data, body_start = _inflate(data[body_start:]).plain, 0
    encoding = encoding_of(syntax)
    elements = _scan_body(Scanner(data, encoding), body_start, len(data), places)
    return Header(
        syntax, encoding, elements, meta, () if syntax == DEFLATED_LITTLE else tuple(places)
    )


def scan_places(data: bytes) -> tuple[str, list[Place]]:
    """Step over the top level of a file with preamble, up to its pixels.

    Parameters
    ----------
    data : bytes
        The file, or as much of it as holds all before the pixels.

    Returns
    -------
    str
        The transfer syntax that the file states, in one of the two encodings little endian.
    list of Place
        Of file meta and data set, in the order of the file; the last are the pixels.

    Raises
    ------
    ScanError
        If there are no pixels within `data`, or the bytes are not what PS3.5 has.
    """
    if not is_dicom(data):
        raise NotDicomError("no DICM mark")
    places: list[Place] = []
    meta, position = _scan_meta(data, FIRST_ELEMENT, places)
    syntax = _ascii(meta.get(TRANSFER_SYNTAX))
    scanner = Scanner(data, encoding_of(syntax), outline=True)
    return syntax, places + scanner.places(position, len(data))


def inflate_file(data: bytes) -> Inflated:
    """Return what a file with a deflated data set holds.

    Raises
    ------
    ScanError
        If the data set cannot be inflated.
    """
    _, body_start = _scan_meta(data, _start_of_elements(data), [])
    inflated = _inflate(data[body_start:])
    return inflated._replace(before=data[:body_start])


def encoding_of(transfer_syntax: str) -> Encoding:
    """Return the element encoding of a transfer syntax (PS3.5 annex A)."""
    return Encoding(
        explicit=transfer_syntax != IMPLICIT_LITTLE, little=transfer_syntax != EXPLICIT_BIG
    )


def scan_items(value: bytes) -> tuple[tuple[RawElement, ...], ...] | None:
    """Return the items in a value field whose VR the file did not tell, None if it has none.

    Such a sequence is in implicit VR little endian, whatever the file is (PS3.5 6.2.2).
    """
    try:
        return Scanner(value, Encoding(explicit=False, little=True)).items(0, len(value), 1)
    except ScanError:
        return None


def by_tag_once(elements: Iterable[RawElement]) -> dict[int, RawElement]:
    """Return elements by tag; raise ContradictionError if two of one tag differ."""
    found: dict[int, RawElement] = {}
    for element in elements:
        if found.setdefault(element.tag, element) != element:
            raise ContradictionError(element.tag)
    return found


def walk(elements: dict[int, RawElement] | tuple[RawElement, ...]) -> Iterator[RawElement]:
    """Yield every element at every depth."""
    for element in elements.values() if isinstance(elements, dict) else elements:
        yield element
        for item in element.items or ():
            yield from walk(item)


def is_dicom(data: bytes) -> bool:
    """Return whether the bytes begin with a preamble and the DICM mark."""
    return data[_PREAMBLE_BYTES:FIRST_ELEMENT] == b"DICM"


def _start_of_elements(data: bytes) -> int:
    if is_dicom(data):
        return FIRST_ELEMENT
    if data[:2] in (b"\x02\x00", b"\x08\x00") and len(data) > 16:
        return 0
    raise NotDicomError("no DICM mark")


def _scan_meta(data: bytes, start: int, places: list[Place]) -> tuple[dict[int, RawElement], int]:
    scanner = Scanner(data, META_ENCODING)
    meta: dict[int, RawElement] = {}
    position = start
    while data[position : position + 2] == b"\x02\x00":
        element, after = scanner.element(position, len(data), 0)
        places.append(_place_of(element, position, after))
        meta[element.tag] = element
        position = after
    return meta, position


def _scan_body(
    scanner: Scanner, position: int, end: int, places: list[Place]
) -> dict[int, RawElement]:
    found: list[RawElement] = []
    while True:
        position = scanner.run(position, end, found, places)
        if position >= end or scanner.is_item_end(position, end):
            break
        element, after = scanner.element(position, end, 0)
        places.append(_place_of(element, position, after))
        found.append(element)
        if element.tag == PIXEL_DATA:
            break  # what follows the pixels (padding, signatures) is never kept
        position = after
    return by_tag_once(found)


def _place_of(element: RawElement, start: int, end: int) -> Place:
    fragments = element.tag == PIXEL_DATA and element.undefined_length
    begin = end - len(element.value) - (HEAD_BYTES if fragments else 0)
    return Place(element.tag, element.vr, start, begin, end, element.undefined_length)


def _guess_syntax(data: bytes, start: int) -> str:
    # A data set without file meta: two capital letters where the VR would be settle it.
    vr = data[start + 4 : start + 6]
    return EXPLICIT_LITTLE if vr.isalpha() and vr.isupper() else IMPLICIT_LITTLE


def _inflate(data: bytes) -> Inflated:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(data, _MAX_INFLATED_BYTES)
    except zlib.error:
        raise ScanError("the deflated data set is damaged") from None
    if inflater.unconsumed_tail:
        raise ScanError("the deflated data set is too large")
    if not inflater.eof:
        raise TruncatedError("the deflated data set ends early")
    return Inflated(b"", plain, inflater.unused_data)


def _ascii(element: RawElement | None) -> str:
    if element is None:
        return ""
    return element.value.rstrip(b"\0 ").decode("ascii", "replace")


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
        order = "<" if encoding.little else ">"
        self._data = data
        self._encoding = encoding
        self._outline = outline
        self._tag = Struct(order + "HH").unpack_from
        self._short = Struct(order + "H").unpack_from
        self._long = Struct(order + "L").unpack_from
        self._plain = Struct(order + ("HH2sH" if encoding.explicit else "HHL")).unpack_from

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
        if self._outline and vr not in ("SQ", None):
            raise ScanError("unknown content of unknown length")
        # UN of undefined length is a sequence in implicit VR little endian (PS3.5 6.2.2).
        inner = self
        if vr == "UN":
            inner = Scanner(self._data, Encoding(explicit=False, little=True))
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
