"""Compressed images as small as their markers allow, with a comment where one is asked for."""

from __future__ import annotations

import struct

from tests.builders import COLUMNS, ROWS

_FRAME = struct.pack(">BHHB3B", 12, ROWS, COLUMNS, 1, 1, 0x11, 0)
_SCAN = bytes((1, 1, 0, 1, 0, 0))
_SIZE = struct.pack(">H8LH3B", 0, COLUMNS, ROWS, 0, 0, COLUMNS, ROWS, 0, 0, 1, 11, 1, 1)
#: Five levels of decomposition: so many steps of quantisation.
_CODING = bytes((0, 0, 0, 1, 0, 5, 4, 4, 0, 1))
_STEPS = bytes((0x40, *range(16)))
_ENTROPY = bytes(range(1, 40)) + bytes(range(120, 160)) + b"\xff\x00\xff\xd0\x12"


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def jpeg(*extra: bytes) -> bytes:
    """A lossless JPEG: start, what is added, frame, scan, end."""
    frame, scan = segment(0xC3, _FRAME), segment(0xDA, _SCAN)
    return b"\xff\xd8" + b"".join(extra) + frame + scan + _ENTROPY + b"\xff\xd9"


def jpeg_ls(*extra: bytes) -> bytes:
    frame, scan = segment(0xF7, _FRAME), segment(0xDA, _SCAN)
    return b"\xff\xd8" + b"".join(extra) + frame + scan + b"\x01\xff\x7f\x02" + b"\xff\xd9"


def jpeg_2000(*extra: bytes, in_tile: bytes = b"") -> bytes:
    """A JPEG 2000 codestream of one tile part."""
    head = segment(0x51, _SIZE) + segment(0x52, _CODING) + segment(0x5C, _STEPS)
    main = b"\xff\x4f" + head + b"".join(extra)
    body = in_tile + b"\xff\x93" + bytes(range(1, 40)) + bytes(range(120, 160))
    length = 12 + len(body)
    tile = b"\xff\x90\x00\x0a\x00\x00" + length.to_bytes(4, "big") + b"\x00\x01" + body
    return main + tile + b"\xff\xd9"


def rle(*planes: bytes) -> bytes:
    """Run-length segments that repeat nothing: literal runs only."""
    coded = []
    for plane in planes:
        runs = (plane[i : i + 128] for i in range(0, len(plane), 128))
        one = b"".join(bytes((len(run) - 1,)) + run for run in runs)
        coded.append(one + bytes(len(one) % 2))
    starts = [64 + sum(len(c) for c in coded[:n]) for n in range(len(coded))]
    head = b"".join(n.to_bytes(4, "little") for n in (len(coded), *starts))
    return head.ljust(64, b"\0") + b"".join(coded)
