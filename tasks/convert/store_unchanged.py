"""Tell that nothing changed since the last run over a folder, without reading its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow.parquet as pq

from schemas.atomic_files import canonical_json, sha256_of_file, write_bytes
from schemas.record_tables import records_from_table
from schemas.records import VolumeRecord
from schemas.software import software_version
from tasks.convert.store_converter import cache_key

Row = TypeVar("Row")
_MARK = "unchanged.json"


def source_digest(src: Path, files: Sequence[tuple[int, Path]]) -> str:
    """Return a digest of names, sizes and times of all files, and of what converts them.

    A file that was changed without a change of its size or time of modification looks
    unchanged; remove `unchanged.json` to have everything read again.
    """
    digest = hashlib.sha256(canonical_json(cache_key("", {})))
    digest.update(software_version().encode())
    for _, path in files:
        found = path.stat()
        name = path.relative_to(src).as_posix().encode("utf-8", "surrogateescape")
        digest.update(b"%s\0%d\0%d\n" % (name, found.st_size, found.st_mtime_ns))
    return digest.hexdigest()


def read_unchanged_run(
    dst: Path, digest: str, file_row: type[Row]
) -> tuple[list[Row], list[VolumeRecord]] | None:
    """Return what the last run found, if the source is the same and no volume was touched."""
    mark_path = dst / _MARK
    try:
        mark = json.loads(mark_path.read_bytes())
        written_ns = mark_path.stat().st_mtime_ns
        tables = {name: str(sha256_of_file(dst / name)) for name in mark["tables"]}
        if mark["source"] != digest or mark["tables"] != tables:
            return None
        for name, size in mark["sizes"].items():
            found = (dst / name).stat()
            # The mark was written last: what is newer was touched since and is hashed anew.
            if found.st_size != size or found.st_mtime_ns > written_ns:
                return None
        volumes = records_from_table(pq.read_table(dst / "volumes.parquet"), VolumeRecord)
        files = records_from_table(pq.read_table(dst / "files.parquet"), file_row)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files, volumes


def mark_run(dst: Path, digest: str, volumes: Sequence[VolumeRecord]) -> None:
    """Leave the mark by which the next run knows this one; written after everything else."""
    tables = {n: str(sha256_of_file(dst / n)) for n in ("files.parquet", "volumes.parquet")}
    sizes = {v.file_name: (dst / v.file_name).stat().st_size for v in volumes if v.file_name}
    mark = {"source": digest, "tables": tables, "sizes": sizes}
    write_bytes(dst / _MARK, canonical_json(mark))
