"""A strict scanner of DICOM elements: bytes in, elements with their raw bytes out.

It knows the four uncompressed encodings and nothing about meaning (DICOM PS3.5 section 7,
PS3.10 section 7). Values stay undecoded, so an element no rule allows costs nothing and
cannot raise; a file that does not scan to its end is held, not guessed at.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from schemas.dicom.plain_runs import HEAD_BYTES
from schemas.dicom.plain_runs import PIXEL_DATA as PIXEL_DATA
from schemas.dicom.plain_runs import Place as Place
from schemas.dicom.plain_runs import vr_from_dictionary as vr_from_dictionary
from schemas.dicom.scan_errors import ContradictionError, NotDicomError, ScanError, TruncatedError
from schemas.dicom.scanner import META_ENCODING as META_ENCODING
from schemas.dicom.scanner import Encoding as Encoding
from schemas.dicom.scanner import RawElement as RawElement
from schemas.dicom.scanner import Scanner as Scanner

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"

TRANSFER_SYNTAX = 0x00020010

_PREAMBLE_BYTES = 128
#: Where elements begin in a file with preamble (PS3.10 7.1).
FIRST_ELEMENT = _PREAMBLE_BYTES + 4
#: A deflated header that grows beyond this is a bomb, not an image.
_MAX_INFLATED_BYTES = 2 << 30


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
