"""Hashes of what tables say, whatever program wrote the file. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import pyarrow as pa

from schemas.atomic_files import canonical_json, sha256_of_bytes
from schemas.contracts import TableContract
from schemas.identifiers import Sha256
from tasks.publish.differences import RELEASE_TABLE


def table_hash(table: pa.Table) -> Sha256:
    """Return a hash of names, types and values of a table in its row order.

    Parquet bytes depend on the version of the writer, DuckDB files never repeat: this does
    neither.
    """
    digest = hashlib.sha256()
    for field in table.schema:
        head = [field.name, _type_name(field.type)]
        values = table.column(field.name).to_pylist()
        digest.update(json.dumps([head, values], ensure_ascii=False, default=str).encode())
        digest.update(b"\n")
    return Sha256(digest.hexdigest())


def _type_name(kind: pa.DataType) -> str:
    """Return the name of a type; Parquet and Arrow name the elements of a list differently."""
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


def content_hash(
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    registers: Mapping[str, str],
) -> Sha256:
    """Return the hash that names the content of a release.

    Two releases with the same hash are the same release. It covers all tables but `release`,
    the contracts, and the registers (by name: decisions and protocol version).
    """
    parts = {
        "tables": {name: table_hash(tables[name]) for name in tables if name != RELEASE_TABLE},
        "contracts": {name: contract.sha256 for name, contract in contracts.items()},
        "registers": dict(registers),
    }
    return sha256_of_bytes(canonical_json(parts))
