"""Tell that nothing changed since the last run over a folder, without reading its files.

Imports little: a rerun over an unchanged folder should cost no more than a look at it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from schemas.run.atomic_files import canonical_json, sha256_of_file, write_bytes
from schemas.run.folder_files import list_files
from schemas.run.software import software_version
from tasks.convert.codes import LOST_WORKER, Code
from tasks.convert.folder_rows import FolderCounts, FolderResult, count_folder
from tasks.convert.store_binary import CONVERTER_FLAGS, find_binary

FILES_TABLE, VOLUMES_TABLE = "files.parquet", "volumes.parquet"
_MARK = "unchanged.json"


def source_digest(src: Path, files: Sequence[tuple[int, Path]]) -> str:
    """Return a digest of what the file system says of all files, and of what converts them.

    Name, size, number and times of modification and of change of state: the last cannot be
    set, so a file that was replaced is seen even where its other time was kept.
    """
    binary = find_binary()
    digest = hashlib.sha256(canonical_json([binary.sha256, CONVERTER_FLAGS, software_version()]))
    start = len(str(src)) + 1
    for _, path in files:
        found = path.lstat()
        name = str(path)[start:].encode("utf-8", "surrogateescape")
        facts = (found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
        digest.update(b"%s\0%d\0%d\0%d\0%d\n" % (name, *facts))
    return digest.hexdigest()


def unchanged_counts(src: Path, dst: Path) -> FolderCounts | None:
    """Return what the last run found, if its source and all it wrote are what they were.

    Parameters
    ----------
    src : Path
        A folder.
    dst : Path
        Where the last run wrote to. Every file of it is compared by SHA-256.
    """
    if not (dst / _MARK).is_file() or not src.is_dir():
        return None
    return marked_counts(dst, source_digest(src, list_files(src)))


def marked_counts(dst: Path, digest: str) -> FolderCounts | None:
    """Return the counts of the last run if it was over this source and none of its files differ."""
    try:
        mark = json.loads((dst / _MARK).read_bytes())
        if mark["source"] != digest or _hashes(dst, mark["written"]) != mark["written"]:
            return None
        return FolderCounts(**mark["counts"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _hashes(dst: Path, names: Mapping[str, str]) -> dict[str, str]:
    return {name: str(sha256_of_file(dst / name)) for name in names}


def mark_run(dst: Path, digest: str, result: FolderResult) -> None:
    """Leave the mark by which the next run knows this one; written after everything else.

    None is left where a worker was lost: that need not happen again.
    """
    if any(Code(code) in LOST_WORKER for volume in result.volumes for code in volume.codes):
        (dst / _MARK).unlink(missing_ok=True)
        return
    written = _hashes(dst, dict.fromkeys((FILES_TABLE, VOLUMES_TABLE), ""))
    for volume in result.volumes:
        if volume.file_name and volume.sha256:
            written[volume.file_name] = volume.sha256
            beside = dst.glob(f"{volume.sub_stack_digest}.*")
            names = [path.name for path in beside if path.name != volume.file_name]
            written |= _hashes(dst, dict.fromkeys(names, ""))
    counts = asdict(count_folder(result)) | {"removed": 0}
    write_bytes(
        dst / _MARK, canonical_json({"source": digest, "written": written, "counts": counts})
    )
