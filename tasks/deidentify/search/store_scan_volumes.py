"""What of a NIfTI volume is searched: all but the voxels, read by stream.

The voxels of a volume are image, and a short name stands in them by chance. They are left out
where something says that they are image: in a batch the digest of a file that the conversion has
written and proven voxel by voxel, in a release that each volume was searched with its batch. A
volume of a batch that nothing speaks for is searched whole. No more than a piece is in memory.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from isal import igzip, isal_zlib

from schemas.run.atomic_files import sha256_of_file

#: Path of a file -> SHA-256 of what the conversion wrote there, its voxels proven (restricted).
Proven = Mapping[str, str]

_PIECE_BYTES = 1 << 20
#: More stands before no voxels of ours; the header may be anybody's.
_MOST_BEFORE_VOXELS = 64 << 20
_HEAD_BYTES = 540
_NIFTI_MAGIC_AT = {348: 344, 540: 4}
#: RFC 1952: a name, a comment or an extra field (at most 64 KiB) may stand before the data.
_GZIP_FLAGS_AT, _GZIP_FIELDS, _GZIP_HEADER_BYTES = 3, 0b1_1110, 1 << 17
_GZIP_SIZE_BYTES = 4
# Any, because they are not annotated.
_open_gzip: Any = igzip.IGzipFile
_UNREADABLE: Any = (EOFError, zlib.error, isal_zlib.error, igzip.BadGzipFile)


def is_nifti(head: bytes) -> bool:
    """Return whether a file that begins so is NIfTI-1 or -2 in one file."""
    return _header_bytes(head) > 0


def is_compressed_volume(path: Path) -> bool:
    """Return whether a gzip file holds a NIfTI volume."""
    try:
        with _open_gzip(str(path)) as stream:
            return is_nifti(stream.read(_HEAD_BYTES))
    except _UNREADABLE:
        return False


def parts_of_compressed(path: Path, proven: Proven | None, overlap: int) -> Iterator[bytes]:
    """Yield the bytes of a compressed volume that are to be searched.

    Parameters
    ----------
    path : Path
        A file `is_compressed_volume` says yes of.
    proven : mapping of str to str, or None
        The proven volumes of a batch; None where all have been searched before.
    overlap : int
        So many bytes of a piece stand in the next one too.

    Raises
    ------
    OSError
        If it cannot be decoded: what was not searched is not clean.
    """
    with path.open("rb") as raw:
        head = raw.read(_GZIP_HEADER_BYTES)
    if head[_GZIP_FLAGS_AT] & _GZIP_FIELDS:
        yield head
    is_proven = proven is not None and proven.get(str(path)) == sha256_of_file(path)
    try:
        with _open_gzip(str(path)) as stream:
            # We wrote it, of one member: then its end tells how much it holds.
            length = _stated_length(path) if is_proven else None
            yield from parts_of_stream(
                stream, overlap, with_voxels=proven is not None and not is_proven, length=length
            )
            n_decoded = stream.tell()
    except _UNREADABLE:
        raise OSError("a compressed file cannot be decoded, so it was not searched") from None
    if not is_proven and _has_members(path, head, n_decoded):
        # Each has a name and a comment of its own, and nothing tells where it begins.
        with path.open("rb") as raw:
            yield from _pieces(raw, b"", overlap)


def parts_of_stream(
    stream: IO[bytes], overlap: int, *, with_voxels: bool, length: int | None = None
) -> Iterator[bytes]:
    """Yield header, extensions and what stands behind the voxels; the voxels if asked for.

    Parameters
    ----------
    stream : binary file
        At its begin.
    overlap : int
        So many bytes of a piece stand in the next one too.
    with_voxels : bool
        Search all of it.
    length : int, optional
        Bytes in it modulo 2^32, where they are known: nothing behind the voxels is then not
        looked for.
    """
    head = stream.read(_HEAD_BYTES)
    place = None if with_voxels else _voxels(head)
    if place is None:
        yield from _pieces(stream, head, overlap)
        return
    begin, n_bytes = place
    yield head[:begin] + stream.read(max(begin - len(head), 0))
    if length is not None and length == (begin + n_bytes) % (1 << 32):
        return
    # Of a very small volume voxels, and more, have been read with the header.
    early = head[begin:]
    behind, left = early[n_bytes:], n_bytes - len(early)
    while left > 0 and (skipped := len(stream.read(min(left, _PIECE_BYTES)))):
        left -= skipped
    if left > 0:
        # Fewer than the header says: nothing is certain to be voxels.
        stream.seek(0)
        behind = b""
    yield from _pieces(stream, behind, overlap)


def _pieces(stream: IO[bytes], begin: bytes, overlap: int) -> Iterator[bytes]:
    tail = begin
    while chunk := stream.read(_PIECE_BYTES):
        yield tail + chunk
        tail = (tail + chunk)[-overlap - 1 :]
    if tail is begin and begin:
        yield begin


def _has_members(path: Path, head: bytes, n_decoded: int) -> bool:
    """Return whether a gzip file holds more than one member.

    The last states its own size alone, which is that of all only where those before are empty.
    """
    first_byte = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, 1)
    return not first_byte or n_decoded % (1 << 32) != _stated_length(path)


def _stated_length(path: Path) -> int:
    with path.open("rb") as raw:
        raw.seek(-_GZIP_SIZE_BYTES, 2)
        return int.from_bytes(raw.read(_GZIP_SIZE_BYTES), "little")


def _header_bytes(head: bytes) -> int:
    for size, magic_at in _NIFTI_MAGIC_AT.items():
        encoded = (size.to_bytes(4, "little"), size.to_bytes(4, "big"))
        if head[:4] in encoded and head[magic_at : magic_at + 2] in (b"n+", b"ni"):
            return size
    return 0


def _voxels(head: bytes) -> tuple[int, int] | None:
    """Return where the voxels begin and how many bytes they are; None where that is unclear.

    NIfTI-1: dim 8 x int16 at 40, bitpix int16 at 72, vox_offset float32 at 108; NIfTI-2: 8 x
    int64 at 16, int16 at 14, int64 at 168.
    """
    size = _header_bytes(head)
    if not size or len(head) < size:
        return None
    order = "<" if head[:4] == size.to_bytes(4, "little") else ">"
    dims_at, bits_at, begin_at, kinds = (40, 72, 108, "hf") if size == 348 else (16, 14, 168, "qq")
    n_dims, *dims = struct.unpack_from(f"{order}8{kinds[0]}", head, dims_at)
    (bits,) = struct.unpack_from(f"{order}h", head, bits_at)
    (offset,) = struct.unpack_from(f"{order}{kinds[1]}", head, begin_at)
    if not (1 <= n_dims <= len(dims) and bits > 0 and math.isfinite(offset)):
        return None
    used, begin = dims[:n_dims], max(size, int(offset))
    if min(used) < 1 or begin > _MOST_BEFORE_VOXELS:
        return None
    return begin, math.prod(used) * bits // 8
