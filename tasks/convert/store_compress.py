"""Compress a proven volume: read once, and hashed before and behind the compression as it goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from isal import igzip

from schemas.identifiers import Sha256
from schemas.native.hash_streams import Sha256Streams
from schemas.run.atomic_files import sync_directory

#: Where one piece ends shows in what igzip writes: another size gives other bytes.
_CHUNK_BYTES = 1 << 20
#: igzip level 2 costs a third of zlib's default at 7 % more bytes.
_GZIP_LEVEL = 2
# Any, because it is not annotated.
_open_gzip: Any = igzip.IGzipFile


class VolumeDigests(NamedTuple):
    """SHA-256 of the voxels as they were compressed, and of the file that came of it."""

    voxels: Sha256
    file: Sha256


def compress(nifti: Path, final: Path, *, voxels_at: int) -> VolumeDigests:
    """Write the compressed image whole or not at all.

    Parameters
    ----------
    nifti : Path
        The uncompressed image.
    final : Path
        Of the compressed one.
    voxels_at : int
        Where in `nifti` the voxels begin, in bytes.
    """
    streams = Sha256Streams(2)
    beside = final.with_name(f".{final.name}.part")
    with beside.open("wb") as raw:
        written = _Written(raw)
        # No name and no time in the gzip header: the same voxels give the same bytes.
        with _open_gzip(
            filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=written, mtime=0
        ) as packed:
            for chunk in _chunks(nifti):
                packed.write(chunk)
                # While both are still in the cache of the processor.
                streams.update(chunk[voxels_at:] if voxels_at else chunk, written.taken())
                voxels_at = max(voxels_at - len(chunk), 0)
        streams.update(b"", written.taken())
        raw.flush()
        os.fsync(raw.fileno())
    beside.replace(final)
    sync_directory(final.parent)
    return VolumeDigests(*streams.digests())


class _Written:
    """Passes on what is written, and keeps it until it is taken."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(piece)
        return self._raw.write(piece)

    def flush(self) -> None:
        self._raw.flush()

    def taken(self) -> bytes:
        """Return what was written since this was asked last."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
