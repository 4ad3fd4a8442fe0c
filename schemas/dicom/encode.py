"""Write DICOM elements: the counterpart of `parse` (DICOM PS3.5 section 7, PS3.10 7.1)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from schemas.dicom.elements import DEFLATED_LITTLE, encoding_of
from schemas.dicom.scanner import LONG_VRS, META_ENCODING, UNDEFINED_LENGTH, Encoding

_PREAMBLE = bytes(128) + b"DICM"
_SEQUENCE_END = 0xFFFEE0DD
_ITEM = 0xFFFEE000
_WRITTEN = "_written"
_TEXT_PAD = {"UI": b"\0", "OB": b"\0", "UN": b"\0"}


@dataclass(frozen=True)
class OutElement:
    """One element to write: its value bytes, or its items when it is a sequence."""

    tag: int
    vr: str
    value: bytes = field(default=b"", repr=False)
    items: tuple[tuple[OutElement, ...], ...] | None = None
    undefined_length: bool = False


def encode_file(
    meta: Iterable[OutElement], elements: Iterable[OutElement], transfer_syntax: str
) -> bytes:
    """Return a DICOM file: zero preamble, file meta, data set in `transfer_syntax`."""
    body = encode_elements(elements, encoding_of(transfer_syntax))
    if transfer_syntax == DEFLATED_LITTLE:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = deflater.compress(body) + deflater.flush()
        body += b"\0" * (len(body) % 2)
    return encode_start(meta) + body


def encode_start(meta: Iterable[OutElement]) -> bytes:
    """Return the zero preamble and the file meta with its length."""
    meta_bytes = encode_elements(meta, META_ENCODING)
    length = OutElement(0x00020000, "UL", len(meta_bytes).to_bytes(4, "little"))
    return _PREAMBLE + encode_elements([length], META_ENCODING) + meta_bytes


def encode_elements(elements: Iterable[OutElement], encoding: Encoding) -> bytes:
    """Return the elements in tag order as bytes."""
    parts: list[bytes] = []
    for element in sorted(elements, key=lambda e: e.tag):
        parts += element_parts(element, encoding)
    return b"".join(parts)


def element_parts(element: OutElement, encoding: Encoding) -> tuple[bytes, ...]:
    """Return head and value of an element, and what ends it if its length is undefined.

    They are kept with it, since most are written again.
    """
    known = element.__dict__.get(_WRITTEN)
    if known is not None and (known[0] is encoding or known[0] == encoding):
        parts: tuple[bytes, ...] = known[1]
        return parts
    value = _value_bytes(element, encoding)
    length = UNDEFINED_LENGTH if element.undefined_length else len(value)
    parts = (_head(element, length, encoding), value)
    if element.undefined_length:
        return (*parts, _tag(_SEQUENCE_END, encoding) + bytes(4))
    # Not a field: two elements are the same whether they were written or not.
    element.__dict__[_WRITTEN] = (encoding, parts)
    return parts


def _value_bytes(element: OutElement, encoding: Encoding) -> bytes:
    if element.items is None:
        pad = _TEXT_PAD.get(element.vr, b" ")
        return element.value + (pad if len(element.value) % 2 else b"")
    parts = []
    for item in element.items:
        body = encode_elements(item, encoding)
        parts += [_tag(_ITEM, encoding), len(body).to_bytes(4, _order(encoding)), body]
    return b"".join(parts)


def _head(element: OutElement, length: int, encoding: Encoding) -> bytes:
    before, n_bytes = _before_length(element.tag, element.vr, encoding.explicit, encoding.little)
    return before + length.to_bytes(n_bytes, _order(encoding))


@lru_cache(maxsize=8192)
def _before_length(tag: int, vr: str, explicit: bool, little: bool) -> tuple[bytes, int]:
    """Return a head up to its length, and in how many bytes that stands (PS3.5 7.1.2, 7.1.3)."""
    encoding = Encoding(explicit, little)
    if not explicit:
        return _tag(tag, encoding), 4
    if vr in LONG_VRS:
        return _tag(tag, encoding) + vr.encode("ascii") + b"\0\0", 4
    return _tag(tag, encoding) + vr.encode("ascii"), 2


def _tag(tag: int, encoding: Encoding) -> bytes:
    order = _order(encoding)
    return (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order)


def _order(encoding: Encoding) -> Literal["little", "big"]:
    return "little" if encoding.little else "big"
