"""Write beside, fsync, rename once: a kill leaves the old state or the new one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.identifiers import Sha256

_CHUNK_BYTES = 1 << 20
_FLUSHED_AT_A_TIME = 8


def sha256_of_file(path: Path) -> Sha256:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return Sha256(hashlib.file_digest(stream, "sha256").hexdigest())


def sha256_of_bytes(data: bytes) -> Sha256:
    """Return the SHA-256 of bytes."""
    return Sha256(hashlib.sha256(data).hexdigest())


def canonical_json(value: object) -> bytes:
    """Return JSON with sorted keys and a final newline: the same value gives the same bytes."""
    return (json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2) + "\n").encode()


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Flush every file and folder below `root`, once, before the rename that publishes it.

    Several at a time: a disk writes what waits together in one go.
    """
    # Only what commits needs threads; every command loads this module.
    from concurrent.futures import ThreadPoolExecutor

    found = list(os.walk(root))
    with ThreadPoolExecutor(_FLUSHED_AT_A_TIME) as threads:
        list(threads.map(_sync_file, (Path(folder, n) for folder, _, ns in found for n in ns)))
        list(threads.map(sync_directory, (Path(folder) for folder, _, _ in found)))


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def directory_published_as(final: Path) -> Iterator[Path]:
    """Give a fresh folder beside `final`; on success flush it and rename it there, once.

    Raises
    ------
    FileExistsError
        If `final` is there already: nothing published is ever overwritten.
    """
    _require_absent(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    staging = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.part")
    staging.mkdir()
    try:
        yield staging
        sync_tree(staging)
        _require_absent(final)
        staging.rename(final)
        sync_directory(final.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _require_absent(path: Path) -> None:
    if path.exists():
        raise FileExistsError(path)


def move_into_place(source: Path, final: Path) -> None:
    """Move a flushed file to its final name on the same file system."""
    final.parent.mkdir(parents=True, exist_ok=True)
    source.replace(final)
