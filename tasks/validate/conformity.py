"""Tables against their contracts, every failing row named. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables.contracts import ColumnContract, TableContract


@dataclass(frozen=True)
class Violation:
    """One place where a table is not as its contract says."""

    rule_id: str
    table: str
    key: tuple[str, ...]
    column: str
    observed: str
    expected: str


def check_conformity(
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    required: Sequence[str] = (),
) -> list[Violation]:
    """Return every departure of the tables from their contracts.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        Tables by name; one without a contract is a violation.
    contracts : mapping of str to TableContract
        All contracts.
    required : sequence of str
        Tables that must be there.
    """
    found = [
        Violation("CON-TABLE", name, (), "", "no table", "a table")
        for name in required
        if name not in tables
    ]
    for name, table in tables.items():
        contract = contracts.get(name)
        if contract is None or not table.schema.equals(contract.arrow_schema()):
            expected = f"contract {contract.version}" if contract else "no such table"
            found.append(Violation("CON-COLUMNS", name, (), "", "other columns", expected))
            continue
        found += _check_rows(table, contract)
    return found


def _check_rows(table: pa.Table, contract: TableContract) -> Iterator[Violation]:
    for column in contract.columns:
        values = table[column.name].combine_chunks()
        if not column.nullable and values.null_count:
            for key in _keys(table.filter(pc.is_null(values)), contract):
                yield Violation("CON-MISSING", contract.name, key, column.name, "", "a value")
        if column.allowed_values is not None:
            for key in _keys(table.filter(_outside(values, column)), contract):
                codes = ", ".join(column.allowed_values)
                yield Violation("CON-CODE", contract.name, key, column.name, "another value", codes)
    rows = _neighbours_alike(table, contract.primary_key)
    counted = rows.group_by(list(contract.primary_key)).aggregate([([], "count_all")])
    twice = counted.filter(pc.greater(counted["count_all"], 1))
    counts = twice["count_all"].to_pylist()
    for key, number in sorted(zip(_keys(twice, contract), counts, strict=True)):
        yield Violation("CON-KEY", contract.name, key, "", f"{number} rows", "1 row")


def _neighbours_alike(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """Return the rows that may have a key twice: of a sorted table only those beside their like.

    Tables come sorted, and to group millions of long ids takes gigabytes.
    """
    alike, rising = pa.scalar(True), pa.scalar(False)
    for name in key:
        values = table[name].combine_chunks()
        before, after = values[:-1], values[1:]
        rising = pc.or_(rising, pc.and_(alike, pc.less(before, after)))
        alike = pc.and_(alike, pc.equal(before, after))
    if table.num_rows < 2 or not pc.all(pc.or_(rising, alike), skip_nulls=False).as_py():
        return table
    first = pa.array([False])
    here = alike.combine_chunks() if isinstance(alike, pa.ChunkedArray) else alike
    twin = pc.or_(pa.concat_arrays([here, first]), pa.concat_arrays([first, here]))
    return table.filter(twin)


def _outside(values: pa.Array, column: ColumnContract) -> pa.Array:
    allowed = pa.array(column.allowed_values, type=pa.string())
    if not pa.types.is_list(values.type):
        return pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=allowed)))
    codes = frozenset(column.allowed_values or ())
    return pa.array([not codes.issuperset(one or ()) for one in values.to_pylist()], pa.bool_())


def _keys(table: pa.Table, contract: TableContract) -> list[tuple[str, ...]]:
    columns = [map(str, table[name].to_pylist()) for name in contract.primary_key]
    return list(zip(*columns, strict=True))
