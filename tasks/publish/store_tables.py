"""Tables on disk: Parquet that repeats byte for byte, and the DuckDB file made from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.contracts import TableContract
from schemas.errors import BadInputError
from tasks.publish.views import views

#: Read by DuckDB 1.1 and newer; the default of 2.0 is unreadable by all older ones.
STORAGE_VERSION = "v1.0.0"
ALL_SITES = "all"
_SITE_CODE_LENGTH = len("S01")
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


def split_by_site(table: pa.Table, contract: TableContract) -> dict[str, pa.Table]:
    """Return file stem → rows: one file per site where the contract splits, else `all`.

    A site is known by its code or by the first characters of a pseudonym. Rows without one
    go to `all`; a table without rows is one empty file, so that every table has a schema.
    """
    if contract.site_column is None or table.num_rows == 0:
        return {ALL_SITES: table}
    codes = pc.utf8_slice_codeunits(table[contract.site_column], 0, _SITE_CODE_LENGTH)
    codes = pc.fill_null(codes, ALL_SITES)
    return {
        site: table.filter(pc.equal(codes, site)).combine_chunks()
        for site in sorted(pc.unique(codes).to_pylist())
    }


def read_release_tables(
    folder: Path, contracts: Mapping[str, TableContract]
) -> dict[str, pa.Table]:
    """Return the tables of a release, their site files joined and sorted by key.

    A table that has no contract any more keeps the order of its files.
    """
    present = sorted(path for path in (folder / "tables").glob("*") if path.is_dir())
    return {path.name: _read_joined(path, contracts.get(path.name)) for path in present}


def _read_joined(folder: Path, contract: TableContract | None) -> pa.Table:
    parts = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    if not parts:
        raise BadInputError("the release lacks a table", where=f"tables/{folder.name}")
    table = pa.concat_tables(parts) if len(parts) > 1 else parts[0]
    names = contract.primary_key if contract else ()
    keys = [(name, "ascending") for name in names if name in table.column_names]
    return (table.sort_by(keys) if keys else table).combine_chunks()


def write_database(
    path: Path, tables: Mapping[str, pa.Table], contracts: Mapping[str, TableContract]
) -> None:
    """Write `cohort.duckdb`: tables with keys, CHECKs and comments, and the views.

    Materialised: views over relative Parquet paths break when somebody else opens the file.
    """
    with duckdb.connect() as connection:
        target = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{target}' AS cohort (STORAGE_VERSION '{STORAGE_VERSION}')")
        connection.execute("USE cohort")
        for name, table in tables.items():
            connection.execute(contracts[name].ddl())
            connection.register("incoming", table)
            connection.execute(f'INSERT INTO "{name}" SELECT * FROM incoming')  # noqa: S608  # names of our own contracts
            connection.unregister("incoming")
        for view in views(_codes(contracts, "series", "label"), _criteria(contracts)):
            for statement in view.statements():
                connection.execute(statement)
        connection.execute("USE memory")
        connection.execute("DETACH cohort")


def count_database_rows(path: Path) -> dict[str, int]:
    """Return the number of rows of every table of a `cohort.duckdb`."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY table_name"
        ).fetchall()
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]  # noqa: S608  # names from the catalogue
            for (name,) in names
        }


def _codes(contracts: Mapping[str, TableContract], table: str, column: str) -> tuple[str, ...]:
    return contracts[table].column(column).allowed_values or ()


def _criteria(contracts: Mapping[str, TableContract]) -> tuple[str, ...]:
    return _codes(contracts, "criterion_result", "criterion_id")
