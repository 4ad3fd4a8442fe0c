"""Files that were packed one by one (`.dcm.gz`): unpacked in memory, within a limit. Pure."""

from __future__ import annotations

import zlib

from schemas.states import ReasonCode
from tasks.deidentify.plan.refusal import Refusal

_MAGIC = b"\x1f\x8b\x08"
#: Ten times the largest enhanced object that a scanner writes; what grows beyond is a bomb.
MOST_BYTES = 1 << 30
_GZIP = zlib.MAX_WBITS | 16


def is_gzipped(data: bytes) -> bool:
    """Return whether the bytes begin as a gzip file does (RFC 1952)."""
    return data.startswith(_MAGIC)


def unpacked(data: bytes, *, most_bytes: int = MOST_BYTES) -> bytes | Refusal:
    """Return what a gzip file holds, or why it cannot be told.

    Parameters
    ----------
    data : bytes
        The file; several members follow each other as in any gzip file.
    most_bytes : int
        What grows larger is set aside.
    """
    parts: list[bytes] = []
    left = most_bytes
    while data.startswith(_MAGIC):
        inflater = zlib.decompressobj(_GZIP)
        try:
            part = inflater.decompress(data, left + 1)
        except zlib.error:
            return Refusal(ReasonCode.ARCHIVE_UNREADABLE, "a gzip file")
        left -= len(part)
        if left < 0:
            return Refusal(ReasonCode.ARCHIVE_TOO_LARGE, "a gzip file")
        if not inflater.eof:
            return Refusal(ReasonCode.ARCHIVE_UNREADABLE, "a gzip file that ends too early")
        parts.append(part)
        data = inflater.unused_data
    return b"".join(parts)
