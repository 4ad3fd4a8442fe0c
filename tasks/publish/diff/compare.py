"""Compare the rows of one table before and after, column by column. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

ROW_ADDED, ROW_REMOVED, VALUE_CHANGED = "row_added", "row_removed", "value_changed"

#: One row per change; `subject_id` says whose row it is, where the table knows.
CHANGE_SCHEMA = pa.schema(
    [
        pa.field(name, pa.string(), nullable=False)
        for name in ("table", "kind", "key", "subject_id", "column", "before", "after", "reason")
    ]
)
NO_CHANGES = CHANGE_SCHEMA.empty_table()


@dataclass(frozen=True)
class RowPairs:
    """The rows of a table, matched by primary key.

    `added` stand only in the table after, `removed` only in the one before; row n of
    `before` and of `after` have the same key.
    """

    name: str
    key: tuple[str, ...]
    added: pa.Table
    removed: pa.Table
    before: pa.Table
    after: pa.Table


def pair_rows(name: str, old: pa.Table, new: pa.Table, key: Sequence[str]) -> RowPairs:
    """Return the rows of both tables matched by key."""
    old_keys, new_keys = key_texts(old, key), key_texts(new, key)
    at = pc.index_in(new_keys, value_set=old_keys)
    kept = pc.is_valid(at)
    return RowPairs(
        name=name,
        key=tuple(key),
        added=new.filter(pc.invert(kept)),
        removed=old.filter(pc.invert(pc.is_in(old_keys, value_set=new_keys))),
        before=old.take(pc.drop_null(at)),
        after=new.filter(kept),
    )


def key_texts(table: pa.Table, key: Sequence[str]) -> pa.Array:
    """Return the primary key of each row as one text, parts joined by a slash."""
    if table.num_rows == 0:
        return pa.array([], type=pa.string())
    parts = [table[column].cast(pa.string()) for column in key]
    joined = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "/")
    return pa.concat_arrays(joined.chunks)


def changed_values(pairs: RowPairs) -> list[tuple[str, pa.Array]]:
    """Return (column, row numbers) for every shared column in which paired rows differ.

    A column whose type changed is named elsewhere; its values are not compared.
    """
    found = []
    for field in pairs.after.schema:
        if field.name in pairs.key or field.name not in pairs.before.column_names:
            continue
        one, other = pairs.before[field.name], pairs.after[field.name]
        if one.type == other.type and not one.equals(other):
            rows = pc.indices_nonzero(_differs(one, other))
            if len(rows):
                found.append((field.name, rows))
    return found


def change_rows(
    pairs: RowPairs, reasons: Mapping[str, Sequence[str]], *, subject_column: str = "subject_id"
) -> pa.Table:
    """Return the changes of one table as rows of `CHANGE_SCHEMA`, sorted.

    Parameters
    ----------
    pairs : RowPairs
        The rows of the table, matched.
    reasons : mapping of str to sequence of str
        `added`, `removed` and `paired` → one reason per row of that part.
    subject_column : str
        Which column holds the pseudonym, if the table has it.
    """
    pieces = [
        _whole_rows(pairs, pairs.added, ROW_ADDED, reasons["added"], subject_column),
        _whole_rows(pairs, pairs.removed, ROW_REMOVED, reasons["removed"], subject_column),
    ]
    because = pa.array(reasons["paired"], type=pa.string())
    keys, subjects = key_texts(pairs.after, pairs.key), _subjects(pairs.after, subject_column)
    for column, rows in changed_values(pairs):
        before = pairs.before[column].take(rows).to_pylist()
        after = pairs.after[column].take(rows).to_pylist()
        columns = {
            "key": keys.take(rows),
            "subject_id": subjects.take(rows),
            "before": [value_text(value) for value in before],
            "after": [value_text(value) for value in after],
            "reason": because.take(rows),
        }
        pieces.append(_changes(pairs.name, VALUE_CHANGED, len(rows), column, columns))
    order = [("table", "ascending"), ("key", "ascending"), ("kind", "ascending")]
    return pa.concat_tables(pieces).sort_by([*order, ("column", "ascending")]).combine_chunks()


def value_text(value: object) -> str:
    """Return a value as it is printed in a difference; nothing for an absent one."""
    if value is None:
        return ""
    return ";".join(map(str, value)) if isinstance(value, list) else str(value)


def _whole_rows(
    pairs: RowPairs, rows: pa.Table, kind: str, reasons: Sequence[str], subject_column: str
) -> pa.Table:
    columns = {
        "key": key_texts(rows, pairs.key),
        "subject_id": _subjects(rows, subject_column),
        "reason": list(reasons),
    }
    return _changes(pairs.name, kind, rows.num_rows, "", columns)


def _changes(table: str, kind: str, n: int, column: str, columns: Mapping[str, object]) -> pa.Table:
    constant = {"table": table, "kind": kind, "column": column, "before": "", "after": ""}
    arrays = []
    for name in CHANGE_SCHEMA.names:
        values = columns.get(name)
        if values is None:
            values = pa.repeat(constant[name], n)
        arrays.append(pa.array(values, pa.string()) if isinstance(values, list) else values)
    return pa.table(arrays, schema=CHANGE_SCHEMA)


def _subjects(table: pa.Table, column: str) -> pa.Array:
    if column not in table.column_names:
        return pa.repeat("", table.num_rows)
    return pc.fill_null(table[column], "").combine_chunks()


def _differs(one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_list(one.type):
        pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
        return pa.array([before != after for before, after in pairs])
    unequal = pc.fill_null(pc.not_equal(one, other), False)
    return pc.or_(unequal, pc.xor(one.is_null(), other.is_null()))
