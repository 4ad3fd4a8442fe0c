"""The two tables of a converted folder, written and read back."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.records import VolumeRecord
from schemas.run.atomic_files import write_bytes
from schemas.tables.record_tables import records_from_table, table_from_records
from tasks.convert.folder_rows import FileRow, FolderResult
from tasks.convert.store_unchanged import FILES_TABLE, VOLUMES_TABLE


def write_tables(dst: Path, result: FolderResult) -> None:
    """Write one row per file and one row per sub-stack; the same result gives the same bytes."""
    files = table_from_records(result.files, FileRow, key=("file_no",))
    key = ("series_uid", "sub_stack_digest")
    volumes = table_from_records(result.volumes, VolumeRecord, key=key)
    for name, table in ((FILES_TABLE, files), (VOLUMES_TABLE, volumes)):
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        write_bytes(dst / name, bytes(sink.getvalue()))


def read_tables(dst: Path) -> FolderResult:
    """Return what `write_tables` wrote."""
    files = records_from_table(pq.read_table(dst / FILES_TABLE), FileRow)
    volumes = records_from_table(pq.read_table(dst / VOLUMES_TABLE), VolumeRecord)
    return FolderResult(tuple(files), tuple(volumes))
