"""What an export holds, and the batch id that follows from it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from schemas.delivery_names import (
    CLINICAL_FOLDER,
    CONTROL_NAMES,
    READY_NAME,
    control_name,
    folded_name,
)
from schemas.identifiers import BatchId, Sha256
from schemas.records import DeliveredFile, FileKind

_FOLDERS = {CLINICAL_FOLDER, "dicom"}
_BATCH_ID_LENGTH = 16


def kind_of(relative_path: str) -> FileKind:
    """Return what a file is by its place in the delivery layout; images by exclusion."""
    path = PurePosixPath(relative_path)
    if control_name(relative_path) is not None:
        return FileKind.CONTROL
    if len(path.parts) > 1 and folded_name(path.parts[0]) == CLINICAL_FOLDER:
        return FileKind.CLINICAL
    return FileKind.IMAGE


def wrapping_folder(relative_paths: Iterable[str]) -> str:
    """Return the one folder that wraps a whole export (as zips often have), or ''."""
    paths = [PurePosixPath(p) for p in relative_paths]
    tops = {p.parts[0] for p in paths if p.parts}
    if len(tops) != 1 or any(len(p.parts) < 2 for p in paths):
        return ""
    top = tops.pop()
    inside = {folded_name(p.parts[1]) for p in paths}
    return top if inside & (CONTROL_NAMES.keys() | _FOLDERS) else ""


def batch_id_of(manifest_digest: Sha256) -> BatchId:
    """Return the id of a batch: the head of the digest over all it holds."""
    return BatchId(manifest_digest[:_BATCH_ID_LENGTH])


def manifest_digest_of(files: Sequence[DeliveredFile]) -> Sha256:
    """Return the hash over paths and contents, in path order (restricted until it is keyed).

    The READY mark is left out: it says when to start, not what was delivered, and a site may
    add it after the quiet period has already let the export in.
    """
    return Sha256(_digest(_lines(files)))


def stat_digest_of(entries: Iterable[tuple[str, int, int]]) -> Sha256:
    """Return a hash over (path, bytes, mtime in ns): cheap proof that nothing was touched."""
    return Sha256(_digest(f"{mtime_ns} {size} {path}" for path, size, mtime_ns in sorted(entries)))


def _lines(files: Sequence[DeliveredFile]) -> Iterable[str]:
    return (
        f"{file.sha256} {file.relative_path}"
        for file in sorted(files, key=lambda f: f.relative_path)
        if control_name(file.relative_path) != READY_NAME
    )


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        # File names of old systems are not always valid UTF-8.
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()
