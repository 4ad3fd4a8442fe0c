"""Write beside, fsync, rename once: a kill leaves the old state or the new one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from schemas.identifiers import Sha256
from schemas.run.zones import RESTRICTED

_CHUNK_BYTES = 1 << 20
_FLUSHED_AT_A_TIME = 8
#: Files that one thread flushes in a row: handing over one at a time costs more than flushing.
_HANDFUL = 16


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


def make_folder(folder: Path, *, closed: bool = False) -> None:
    """Make a folder and the parents it lacks, `restricted` and all below for its owner alone.

    Parameters
    ----------
    folder : Path
        The folder; nothing happens where it is there already.
    closed : bool
        Close it wherever it lies.
    """
    for path in reversed([p for p in (folder, *folder.parents) if not p.exists()]):
        only_owner = RESTRICTED in path.parts or (closed and path == folder)
        # With `parents=True` the mode would count for the last folder only.
        path.mkdir(mode=0o700 if only_owner else 0o755, exist_ok=True)


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that it is there whole or not at all."""
    with written_whole(path, mode=mode) as stream:
        stream.write(data)


@contextmanager
def written_whole(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Give what a file's bytes are written to; it is there, whole, when the block has ended."""
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
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

    folders: list[str] = []
    handfuls, one_at_a_time = _handfuls(root, folders), Lock()

    def flush(_: int) -> None:
        while True:
            with one_at_a_time:
                handful = next(handfuls, None)
            if handful is None:
                return
            _sync_files(handful)

    with ThreadPoolExecutor(_FLUSHED_AT_A_TIME) as threads:
        list(threads.map(flush, range(_FLUSHED_AT_A_TIME)))
        list(threads.map(sync_directory, map(Path, folders)))


def _handfuls(root: Path, folders: list[str]) -> Iterator[Sequence[str]]:
    """Yield the files below a folder, a few at a time, and note its folders."""
    for folder, _, names in os.walk(root):
        folders.append(folder)
        for begin in range(0, len(names), _HANDFUL):
            yield [f"{folder}{os.sep}{name}" for name in names[begin : begin + _HANDFUL]]


def _sync_files(paths: Sequence[str]) -> None:
    for path in paths:
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
    make_folder(final.parent)
    staging = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.part")
    make_folder(staging)
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
    make_folder(final.parent)
    source.replace(final)
