"""Two GE blocks, built anew from allowed numbers: user data and the protocol data block.

User data (0043,xx2A) is a structure of several kilobytes; four numbers of it tell the
polarity of the phase encoding. The protocol block (0025,xx1B) is a gzip stream of
`KEYWORD "value"` lines with the names of coil, series and protocol, in which a search of
bytes finds nothing; a few keywords tell the slice timing.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Mapping

_OFFSET_AT = 24
_EPI_AT, _POLARITY_AT, _VIEW_ORDER_AT = 0x3A, 0x30, 0x394
_EPI_BIT, _POLARITY_BIT = 0x800, 0x4
#: From this version of the layout on the flags lie later and the view order earlier. Offsets,
#: bits and this version are those that dcm2niix reads (nii_dicom.cpp, kUserDefineDataGE).
_MOVED_SINCE, _FLAGS_MOVED, _VIEW_MOVED = 25.002, 0x4C, 0x8C
_SMALLEST_BYTES, _LARGEST_OFFSET = 916, 8192
_MAX_PROTOCOL_BYTES = 1 << 20
_LINE = re.compile(r'(?:set )?([A-Z][A-Z0-9_]{1,31})\s+"([^"\r\n]{0,128})"')


class BlobError(Exception):
    """A vendor's block cannot be read to its end; carries no value."""


def read_user_data(raw: bytes) -> dict[str, tuple[str, ...]]:
    """Return version, flags and view order as texts of numbers.

    Raises
    ------
    BlobError
        If the bytes do not hold the structure.
    """
    try:
        start = struct.unpack_from("<H", raw, _OFFSET_AT)[0]
        if len(raw) < start + _SMALLEST_BYTES or start > _LARGEST_OFFSET:
            raise BlobError("the user data is too short")
        version = struct.unpack_from("<f", raw, start)[0]
        flags, view = _places(version)
        epi, polarity = (
            struct.unpack_from("<H", raw, start + at + flags)[0] for at in (_EPI_AT, _POLARITY_AT)
        )
        order = struct.unpack_from("<H", raw, start + view)[0]
    except struct.error:
        raise BlobError("the user data ends too early") from None
    return {
        "version": (f"{version:.6g}",),
        "epi_flags": (str(epi & _EPI_BIT),),
        "polarity_flags": (str(polarity & _POLARITY_BIT),),
        "view_order": (str(order),),
    }


def write_user_data(fields: Mapping[str, tuple[str, tuple[str, ...]]]) -> bytes:
    """Return user data of zeros with the given numbers in their places."""
    if "version" not in fields:
        return b""
    version = float(fields["version"][1][0])
    flags, view = _places(version)
    start = _OFFSET_AT + 8
    out = bytearray(start + _VIEW_ORDER_AT + _FLAGS_MOVED + 4)
    struct.pack_into("<H", out, _OFFSET_AT, start)
    struct.pack_into("<f", out, start, version)
    for name, at in (
        ("epi_flags", _EPI_AT + flags),
        ("polarity_flags", _POLARITY_AT + flags),
        ("view_order", view),
    ):
        if name in fields:
            struct.pack_into("<H", out, start + at, int(fields[name][1][0]))
    return bytes(out)


def read_protocol(raw: bytes) -> dict[str, tuple[str, ...]]:
    """Return the keywords of a protocol data block: four bytes of length, then gzip.

    Raises
    ------
    BlobError
        If the bytes do not inflate, or inflate without end.
    """
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        text = inflater.decompress(raw[4:], _MAX_PROTOCOL_BYTES)
    except zlib.error:
        raise BlobError("the protocol block is damaged") from None
    if inflater.unconsumed_tail:
        raise BlobError("the protocol block is too large")
    lines = (_LINE.fullmatch(line.strip()) for line in text.decode("latin-1").splitlines())
    return {m.group(1): (m.group(2),) for m in lines if m is not None}


def write_protocol(fields: Mapping[str, tuple[str, tuple[str, ...]]]) -> bytes:
    """Return a protocol data block of the given keywords; the same ones give the same bytes."""
    if not fields:
        return b""
    # Readers look for a line break before a keyword.
    text = "\n" + "".join(f'{name} "{fields[name][1][0]}"\n' for name in sorted(fields))
    packed = gzip.compress(text.encode("ascii"), compresslevel=6, mtime=0)
    body = len(packed).to_bytes(4, "little") + packed
    return body + bytes(len(body) % 2)


def _places(version: float) -> tuple[int, int]:
    """Return by how much the flags moved, and where the view order lies."""
    if version >= _MOVED_SINCE:
        return _FLAGS_MOVED, _VIEW_ORDER_AT - _VIEW_MOVED + _FLAGS_MOVED
    return 0, _VIEW_ORDER_AT
