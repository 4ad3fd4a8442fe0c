"""Tables on disk: Parquet that repeats byte for byte."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.contracts import TableContract
from schemas.errors import BadInputError
from tasks.publish.content import part_path

_ROWS_PER_GROUP = 1 << 17


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table so that the same rows give the same bytes with the same writer version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table.combine_chunks(),
        path,
        compression="zstd",
        compression_level=3,
        version="2.6",
        data_page_version="1.0",
        row_group_size=_ROWS_PER_GROUP,
        store_schema=False,
    )


def read_release_tables(
    folder: Path,
    contracts: Mapping[str, TableContract],
    *,
    without: Collection[str] = (),
) -> dict[str, pa.Table]:
    """Return the tables of a release, their site files joined and sorted by key.

    A table that has no contract any more keeps the order of its files. The rows of the files
    named by `without` (paths inside the release) are left out.
    """
    present = sorted(path for path in (folder / "tables").glob("*") if path.is_dir())
    return {
        path.name: _sorted(read_parts(folder, path.name, without), contracts.get(path.name))
        for path in present
    }


def read_parts(folder: Path, name: str, without: Collection[str] = ()) -> pa.Table:
    """Return the rows of one table of a release, in the order of its files."""
    files = sorted((folder / "tables" / name).glob("*.parquet"))
    if not files:
        raise BadInputError("the release lacks a table", where=f"tables/{name}")
    wanted = [path for path in files if part_path(name, path.stem) not in without]
    if not wanted:
        return pq.read_schema(files[0]).empty_table()
    return pa.concat_tables([pq.read_table(path) for path in wanted])


def _sorted(table: pa.Table, contract: TableContract | None) -> pa.Table:
    names = contract.primary_key if contract else ()
    keys = [(name, "ascending") for name in names if name in table.column_names]
    return (table.sort_by(keys) if keys and table.num_rows else table).combine_chunks()
