"""Read tables as text, row by row, with whose row it is: Parquet, DuckDB, SQLite."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import repeat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

#: Whose a group of rows is (None when the table does not say) and all its cells as text.
Cells = Iterator[tuple[str | None, str]]

_OWNER_COLUMN = "subject_id"
_ROWS_AT_ONCE, _FETCHED_ROWS = 1 << 16, 1 << 13
#: With fewer rows a person, cells are looked at one by one.
_MANY_ROWS = 16
#: Types of our tables, which DuckDB hands to Arrow as they are. A HUGEINT becomes a number with a
#: fraction there, and the last digits of a long one are lost.
_PLAIN = ("VARCHAR", "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DOUBLE", "DATE")
_AS_ARROW = frozenset(f"{kind}{many}" for kind in _PLAIN for many in ("", "[]"))


def read_parquet_cells(path: Path) -> Cells:
    """Yield the cells, column names and metadata of a Parquet file."""
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        metadata = [*(schema.metadata or {}).items()]
        metadata += [pair for f in schema for pair in (f.metadata or {}).items()]
        yield None, "\n".join([*schema.names, *(_text(v) for pair in metadata for v in pair)])
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            yield from _of_batch(batch)


def read_duckdb_cells(path: Path) -> Cells:
    """Yield the cells of all tables of a DuckDB file, their names and comments, and view SQL."""
    import duckdb  # here: most folders hold none, and it takes longer than searching them

    with duckdb.connect(str(path), read_only=True) as connection:
        for catalogue in ("duckdb_tables()", "duckdb_columns()", "duckdb_views()"):
            query = f"SELECT * FROM {catalogue} WHERE NOT internal"  # noqa: S608  fixed names
            rows = connection.execute(query).fetchall()
            without_path = [row[1:] for row in rows]
            yield None, "\n".join(_text(cell) for row in without_path for cell in row)
        tables = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables()"
        ).fetchall()
        for schema, table in tables:
            query = f"SELECT * FROM {_quoted(schema)}.{_quoted(table)}"  # noqa: S608  quoted
            relation = connection.sql(query)
            if all(str(kind) in _AS_ARROW for kind in relation.types):
                for batch in relation.to_arrow_reader(_ROWS_AT_ONCE):
                    yield from _of_batch(batch)
                continue
            cursor = connection.execute(query)
            while rows := cursor.fetchmany(_FETCHED_ROWS):
                yield from _by_owner(relation.columns, list(zip(*rows, strict=True)))


def read_sqlite_cells(path: Path) -> Cells:
    """Yield the cells of all tables of a SQLite file, and its schema."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        master = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        yield None, "\n".join(_text(cell) for row in master for cell in row)
        for name in [row[1] for row in master if row[0] == "table"]:
            cursor = connection.execute(f"SELECT * FROM {_quoted(name)}")  # noqa: S608  quoted
            names = [column[0] for column in cursor.description]
            while rows := cursor.fetchmany(_FETCHED_ROWS):
                yield from _by_owner(names, list(zip(*rows, strict=True)))
    finally:
        connection.close()


#: First bytes of a file (within the first eight more), and what reads such a file.
TABLE_READERS: dict[bytes, Callable[[Path], Cells]] = {
    b"PAR1": read_parquet_cells,
    b"DUCK": read_duckdb_cells,
    b"SQLite format 3\0": read_sqlite_cells,
}


def _of_batch(batch: pa.RecordBatch) -> Cells:
    """Yield what stands in some rows, as `_by_owner`: texts that repeat are never made."""
    groups = _grouped(batch)
    if groups is None:
        yield from _by_owner(batch.schema.names, [one.to_pylist() for one in batch.columns])
        return
    for owner, rows in groups:
        texts = {_text(cell) for column in rows.columns for cell in _different(column)}
        yield owner, "\n".join(texts)


def _grouped(batch: pa.RecordBatch) -> list[tuple[str | None, pa.RecordBatch]] | None:
    """Return the rows of each owner; None where these are few, or Arrow cannot take them."""
    whose = [field.type for field in batch.schema if field.name == _OWNER_COLUMN]
    if not whose:
        return [(None, batch)]
    if whose != [pa.string()]:  # of another kind, or twice: not a table of ours
        return None
    owners = batch.column(_OWNER_COLUMN).dictionary_encode(null_encoding="encode")
    names = owners.dictionary.to_pylist()
    if len(names) * _MANY_ROWS > batch.num_rows:
        return None
    with suppress(pa.ArrowNotImplementedError):  # views of texts cannot be put into an order
        return list(zip(names, _of_each(batch, owners.indices, len(names)), strict=True))
    return None


def _of_each(batch: pa.RecordBatch, numbers: pa.Array, n_owners: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of each owner, by number."""
    order = np.argsort(numbers.to_numpy(), kind="stable")
    ends = np.cumsum(np.bincount(numbers.to_numpy(), minlength=n_owners))
    together = batch.take(pa.array(order))
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        yield together.slice(start, end - start)


def _different(column: pa.Array) -> list[object]:
    """Return the cells of a column that are there, each once where that can be told."""
    with suppress(pa.ArrowNotImplementedError):  # lists
        column = column.unique()
    return [cell for cell in column.to_pylist() if cell is not None]


def _by_owner(names: Sequence[str], columns: Sequence[Sequence[object]]) -> Cells:
    """Yield what stands in some rows, by whose they are: every text once.

    Most cells repeat those above them: a series stands beside each of its images.
    """
    at = names.index(_OWNER_COLUMN) if _OWNER_COLUMN in names else None
    owners = columns[at] if at is not None else repeat(None)
    cells: dict[object, set[str]] = defaultdict(set)
    for column in columns:
        for owner, cell in _each_once(owners, column):
            if cell is not None:
                cells[owner].add(_text(cell))
    for owner, texts in cells.items():
        yield None if owner is None else str(owner), "\n".join(texts)


def _each_once(
    owners: Iterable[object], column: Sequence[object]
) -> Iterable[tuple[object, object]]:
    pairs = zip(owners, column, strict=False)  # one of them may have no end
    try:
        return set(pairs)
    except TypeError:  # lists
        return zip(owners, column, strict=False)


def _text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape")
    return str(cell)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
