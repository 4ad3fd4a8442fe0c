"""`cohort.duckdb`: materialised tables with keys, CHECKs and comments, and the views.

Views over relative Parquet paths break when somebody else opens the file, so the rows are in
it. It is always made from the tables, never from the file of the release before: what somebody
changed in that must not go on, and rows taken out of a DuckDB file stay in its blocks. Only rows
of images, all of which stay, may lie there already (`store_kept_database`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.run.atomic_files import canonical_json, sha256_of_bytes
from schemas.tables.contracts import TableContract
from tasks.publish.view import ViewColumn
from tasks.publish.views import views

DATABASE = "cohort.duckdb"
#: Read by DuckDB 1.1 and newer; the default of 2.0 is unreadable by all older ones.
STORAGE_VERSION = "v1.0.0"
#: Rows of a table: in memory, or Parquet files that hold them.
Rows: TypeAlias = "pa.Table | list[Path]"


def write_database(
    path: Path, tables: Mapping[str, Rows], contracts: Mapping[str, TableContract]
) -> None:
    """Write the database with all tables and views."""
    write_tables(path, tables, contracts, view_statements(contracts))


def view_columns(contracts: Mapping[str, TableContract]) -> list[ViewColumn]:
    """Return every column of every view with its type, as a database without rows has them."""
    with duckdb.connect() as connection:
        for contract in contracts.values():
            connection.execute(contract.ddl())
        for statement in view_statements(contracts):
            connection.execute(statement)
        return [ViewColumn(*row) for row in connection.execute(_VIEW_COLUMNS).fetchall()]


def view_statements(contracts: Mapping[str, TableContract]) -> list[str]:
    """Return the statements that make the views over tables that are there."""
    made = views(_codes(contracts, "series", "label"), _criteria(contracts))
    return [statement for view in made for statement in view.statements()]


def write_tables(
    path: Path,
    tables: Mapping[str, Rows],
    contracts: Mapping[str, TableContract],
    statements: Iterable[str],
) -> None:
    """Write a database of tables with their contracts, and run statements after.

    A table that is in the file already is left as it is.
    """
    with _opened(path) as connection:
        there = {name for (name,) in connection.execute(_TABLES).fetchall()}
        wanted = {name: table for name, table in tables.items() if name not in there}
        _at_once(connection, (contracts[name].ddl() for name in wanted))
        for name, table in wanted.items():
            _insert(connection, name, table)
        _at_once(connection, statements)


def write_table(path: Path, contract: TableContract, files: list[Path]) -> None:
    """Write a database of one table, with the rows of Parquet files."""
    write_tables(path, {contract.name: files}, {contract.name: contract}, ())


def append_rows(path: Path, name: str, schema: pa.Schema, rows: Iterable[pa.Table]) -> int:
    """Add rows behind those that a table has; return how many it has then."""
    with _opened(path) as connection:
        _insert_stream(connection, name, _streamed(rows, schema))
        return int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0])  # noqa: S608  names of our own contracts


def only_column(path: Path, table: str, column: str) -> pa.Array:
    """Return the different texts of a column."""
    with duckdb.connect(str(path), read_only=True) as connection:
        sql = f'SELECT DISTINCT "{column}" FROM "{table}"'  # noqa: S608  names of our own contracts
        found = connection.execute(sql).fetchnumpy()
        return pa.array(found[column], pa.string())


def catalogue(path: Path) -> dict[str, str]:
    """Return a digest over tables, views, columns and macros each: definitions and words.

    How DuckDB tells a definition depends on its version, which stands beside.
    """
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(_CATALOGUE).fetchall()
    said: dict[str, list[list[str]]] = {kind: [] for kind in ("table", "view", "column", "macro")}
    for kind, name, text in sorted(rows):
        said[kind].append([name, text])
    digests = {kind: str(sha256_of_bytes(canonical_json(one))) for kind, one in said.items()}
    return digests | {"duckdb": duckdb.__version__}


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


def rewrite_database(old: Path, new: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write the database anew from its own statements with other rows."""
    with duckdb.connect(str(old), read_only=True) as source:
        before, after = _statements(source)
    with _opened(new) as connection:
        _at_once(connection, before)
        for name, table in tables.items():
            _insert(connection, name, table)
        _at_once(connection, after)


def _at_once(connection: duckdb.DuckDBPyConnection, statements: Iterable[str]) -> None:
    """Run statements that define things as one transaction: each would reach the disk alone.

    There are several hundred, a comment on every column among them. Rows stay outside: in a
    transaction they would be held in memory.
    """
    connection.execute("BEGIN")
    for statement in statements:
        connection.execute(statement)
    connection.execute("COMMIT")


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database to write it, made where it is not there; its log is in it at the end."""
    target = str(path).replace("'", "''")
    version = "" if path.exists() else f" (STORAGE_VERSION '{STORAGE_VERSION}')"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{target}' AS cohort{version}")
        connection.execute("USE cohort")
        yield connection
        connection.execute("USE memory")
        connection.execute("DETACH cohort")


def _streamed(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.RecordBatchReader:
    """Return the rows of tables one after another; of no more than one are all in memory."""
    batches = (batch for table in tables for batch in table.combine_chunks().to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)


def _insert(connection: duckdb.DuckDBPyConnection, name: str, table: Rows) -> None:
    if isinstance(table, list):
        # Of files at once and by Arrow: an insertion for each, or DuckDB's own reader of Parquet,
        # packs texts worse, and leaves half as large a file again.
        rows = _streamed(map(pq.read_table, table), pq.read_schema(table[0]))
    else:
        rows = table.combine_chunks()
    _insert_stream(connection, name, rows)


def _insert_stream(
    connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table | pa.RecordBatchReader
) -> None:
    connection.register("incoming", rows)
    connection.execute(f'INSERT INTO "{name}" SELECT * FROM incoming')  # noqa: S608  names of our own contracts
    connection.unregister("incoming")


_TABLES = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'cohort'"
_CATALOGUE = """
SELECT 'table', table_name, coalesce(comment, '') || sql FROM duckdb_tables() WHERE NOT internal
UNION ALL
SELECT 'view', view_name, coalesce(comment, '') || sql FROM duckdb_views() WHERE NOT internal
UNION ALL
SELECT 'column', table_name || '.' || column_name, coalesce(comment, '')
FROM duckdb_columns() WHERE NOT internal
UNION ALL
SELECT 'macro', function_name, coalesce(macro_definition, '')
FROM duckdb_functions() WHERE NOT internal
"""
_VIEW_COLUMNS = """
SELECT v.view_name, v.comment, c.column_index, c.column_name, c.data_type, c.comment
FROM duckdb_columns() c JOIN duckdb_views() v ON v.view_oid = c.table_oid
WHERE NOT v.internal ORDER BY v.view_name, c.column_index
"""
_WORDS = """
SELECT 'TABLE', '"' || table_name || '"', comment FROM duckdb_tables() WHERE NOT internal
UNION ALL
SELECT 'VIEW', '"' || view_name || '"', comment FROM duckdb_views() WHERE NOT internal
UNION ALL
SELECT 'COLUMN', '"' || table_name || '"."' || column_name || '"', comment
FROM duckdb_columns() WHERE NOT internal AND comment IS NOT NULL
"""


def _statements(source: duckdb.DuckDBPyConnection) -> tuple[list[str], list[str]]:
    """Return what to run before the rows go in, and after."""

    def rows(sql: str) -> Iterable[tuple[str, ...]]:
        return source.execute(sql).fetchall()

    tables = [sql for (sql,) in rows("SELECT sql FROM duckdb_tables() WHERE NOT internal")]
    made = [sql for (sql,) in rows("SELECT sql FROM duckdb_views() WHERE NOT internal")]
    words = rows(_WORDS)
    comments = [f"COMMENT ON {kind} {name} IS {_literal(text)}" for kind, name, text in words]
    return tables, [*made, *comments]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _codes(contracts: Mapping[str, TableContract], table: str, column: str) -> tuple[str, ...]:
    return contracts[table].column(column).allowed_values or ()


def _criteria(contracts: Mapping[str, TableContract]) -> tuple[str, ...]:
    return _codes(contracts, "criterion_result", "criterion_id")
