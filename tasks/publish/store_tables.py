"""Tables on disk: Parquet that repeats byte for byte."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import BadInputError
from schemas.tables.contracts import TableContract
from tasks.publish.diff.content import part_path

_ROWS_PER_GROUP = 1 << 17
_VERIFY = "`livercohort verify` tells all that is wrong with a release."


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
        path.name: read_table(folder, path.name, contracts.get(path.name), without=without)
        for path in present
    }


def read_table(
    folder: Path,
    name: str,
    contract: TableContract | None,
    *,
    without: Collection[str] = (),
) -> pa.Table:
    """Return one table of a release, its site files joined and sorted by key."""
    return _sorted(read_parts(folder, name, without), contract)


def read_parts(folder: Path, name: str, without: Collection[str] = ()) -> pa.Table:
    """Return the rows of one table of a release, in the order of its files.

    Raises
    ------
    BadInputError
        If there is no file, one cannot be read, or the files have different columns.
    """
    files = sorted((folder / "tables" / name).glob("*.parquet"))
    if not files:
        raise BadInputError("the release lacks a table", where=f"{folder.name}/tables/{name}")
    wanted = [path for path in files if part_path(name, path.stem) not in without]
    if not wanted:
        return _read(folder, files[0], schema_only=True)
    try:
        return pa.concat_tables([_read(folder, path) for path in wanted])
    except pa.ArrowInvalid:
        raise BadInputError(
            "the files of a table have different columns",
            where=f"release {folder.name}, tables/{name}",
            hint=_VERIFY,
        ) from None


def _read(folder: Path, path: Path, *, schema_only: bool = False) -> pa.Table:
    try:
        if path.is_file():
            return pq.read_schema(path).empty_table() if schema_only else pq.read_table(path)
        cause = "it is no file"
    except pa.ArrowException:
        cause = "it is cut off, or no Parquet"
    except OSError as error:
        cause = error.strerror or "it is damaged"
    raise BadInputError(
        f"a file of a table cannot be read: {cause}",
        where=f"release {folder.name}, {path.relative_to(folder).as_posix()}",
        hint=_VERIFY,
    )


def require_parts(folder: Path, paths: Iterable[str]) -> None:
    """Raise BadInputError if a file of a table that the manifest states is not there."""
    for path in paths:
        if not (folder / path).is_file():
            raise BadInputError(
                "a file of a table is not there",
                where=f"release {folder.name}, {path}",
                hint=_VERIFY,
            )


def _sorted(table: pa.Table, contract: TableContract | None) -> pa.Table:
    names = contract.primary_key if contract else ()
    keys = [(name, "ascending") for name in names if name in table.column_names]
    return (table.sort_by(keys) if keys and table.num_rows else table).combine_chunks()
