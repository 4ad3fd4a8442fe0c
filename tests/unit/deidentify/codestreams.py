"""Compressed images as small as their markers allow, with a comment where one is asked for."""

from __future__ import annotations

_ENTROPY = bytes(range(1, 100)) + b"\xff\x00\xff\xd0\x12"


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def jpeg(*extra: bytes) -> bytes:
    """A lossless JPEG: start, what is added, frame, scan, end."""
    frame, scan = segment(0xC3, bytes(9)), segment(0xDA, bytes(6))
    return b"\xff\xd8" + b"".join(extra) + frame + scan + _ENTROPY + b"\xff\xd9"


def jpeg_ls(*extra: bytes) -> bytes:
    frame, scan = segment(0xF7, bytes(9)), segment(0xDA, bytes(6))
    return b"\xff\xd8" + b"".join(extra) + frame + scan + b"\x01\xff\x7f\x02" + b"\xff\xd9"


def jpeg_2000(*extra: bytes, in_tile: bytes = b"") -> bytes:
    """A JPEG 2000 codestream of one tile part."""
    main = b"\xff\x4f" + segment(0x51, bytes(38)) + b"".join(extra)
    body = in_tile + b"\xff\x93" + bytes(range(1, 80))
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
