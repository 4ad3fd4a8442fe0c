"""Hashes of what tables say, whatever program wrote the file; and how a table is split. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import Sha256
from schemas.run.atomic_files import canonical_json, sha256_of_bytes
from schemas.tables.contracts import TableContract
from tasks.publish.diff.differences import RELEASE_TABLE

ALL_SITES = "all"
#: Shorter slices than these on average cost more than copying the rows.
_ROWS_PER_SLICE = 32


def part_path(table: str, stem: str) -> str:
    """Return where the rows of one site lie inside a release."""
    return f"tables/{table}/{stem}.parquet"


def split_by_site(table: pa.Table, contract: TableContract) -> dict[str, pa.Table]:
    """Return file stem → rows: one part per site where the contract splits, else `all`.

    A site is known by its code or by what stands before the hyphen of a pseudonym. Rows
    without one go to `all`; a table without rows is one empty part, so that every table has
    a schema. A part of a large table consists of slices of it, so that nothing is copied:
    most parts are only hashed.
    """
    table = table.combine_chunks()
    if contract.site_column is None or table.num_rows == 0:
        return {ALL_SITES: table}
    # Millions of rows name few subjects: the site is read once from each name.
    names = pc.dictionary_encode(table[contract.site_column].combine_chunks())
    names = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
    sites = pc.dictionary_encode(pc.replace_substring_regex(names.dictionary, "-.*$", ""))
    numbers = pc.fill_null(sites.indices.take(names.indices), -1).to_numpy()
    known = [(site, number) for number, site in enumerate(sites.dictionary.to_pylist())]
    if names.null_count:
        known.append((ALL_SITES, -1))
    starts = np.concatenate([[0], np.flatnonzero(np.diff(numbers)) + 1])
    lengths = np.diff(starts, append=len(numbers))
    if len(starts) * _ROWS_PER_SLICE > table.num_rows:
        return {site: table.filter(pa.array(numbers == n)) for site, n in sorted(known)}
    parts = {}
    for site, number in sorted(known):
        own = numbers[starts] == number
        places = zip(starts[own].tolist(), lengths[own].tolist(), strict=True)
        parts[site] = pa.concat_tables([table.slice(start, n) for start, n in places])
    return parts


def split_tables(
    tables: Mapping[str, pa.Table], contracts: Mapping[str, TableContract]
) -> dict[str, pa.Table]:
    """Return path inside a release → rows, for all tables, sorted by path."""
    parts = {
        part_path(name, stem): part
        for name, table in tables.items()
        for stem, part in split_by_site(table, contracts[name]).items()
    }
    return {path: parts[path] for path in sorted(parts)}


def table_hash(table: pa.Table) -> Sha256:
    """Return a hash of names, types and values of a table in its row order.

    Parquet bytes depend on the version of the writer, DuckDB files never repeat: this does
    neither. Values are hashed as columns: which are null, then little-endian numbers, or
    lengths and UTF-8 bytes; an element of a list likewise.
    """
    digest = hashlib.sha256()
    for field in table.schema:
        digest.update(f"{field.name}\0{_type_name(field.type)}\0{table.num_rows}\0".encode())
        column = table.column(field.name).combine_chunks()
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        for piece in _canonical(array):
            digest.update(piece)
    return Sha256(digest.hexdigest())


def content_hash(
    parts: Mapping[str, str],
    contracts: Mapping[str, str],
    registers: Mapping[str, str],
) -> Sha256:
    """Return the hash that names the content of a release.

    Two releases with the same hash are the same release. It covers all tables but `release`,
    the contracts, and the registers (by name: decisions and protocol version).

    Parameters
    ----------
    parts : mapping of str to str
        Path inside the release → `table_hash` of the rows that lie there.
    contracts : mapping of str to str
        Table → SHA-256 of its contract.
    registers : mapping of str to str
        What people decided.
    """
    own = f"tables/{RELEASE_TABLE}/"
    whole = {
        "tables": {path: digest for path, digest in parts.items() if not path.startswith(own)},
        "contracts": dict(contracts),
        "registers": dict(registers),
    }
    return sha256_of_bytes(canonical_json(whole))


def _type_name(kind: pa.DataType) -> str:
    """Return the name of a type; Parquet and Arrow name the elements of a list differently."""
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


def _canonical(array: pa.Array) -> Iterator[bytes]:
    if array.null_count:
        yield b"nulls" + np.packbits(array.is_null().to_numpy(zero_copy_only=False)).tobytes()
    kind = array.type
    if pa.types.is_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        yield lengths.to_numpy().astype("<i8").tobytes()
        yield from _canonical(array.flatten())
    elif pa.types.is_string(kind):
        yield from _canonical_text(array)
    elif pa.types.is_boolean(kind):
        values = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
        yield np.packbits(values).tobytes()
    else:
        plain = array.cast(pa.int32()) if pa.types.is_date32(kind) else array
        values = pc.fill_null(plain, 0).to_numpy()
        yield values.astype(values.dtype.newbyteorder("<")).tobytes()


def _canonical_text(array: pa.Array) -> Iterator[bytes]:
    filled = pc.fill_null(array, "")
    yield pc.binary_length(filled).to_numpy().astype("<i8").tobytes()
    _, offsets, data = filled.buffers()
    if len(filled) and data is not None:
        bounds = np.frombuffer(offsets, dtype=np.int32)
        first, last = bounds[filled.offset], bounds[filled.offset + len(filled)]
        yield memoryview(data)[int(first) : int(last)].tobytes()
