"""Frozen records to Arrow tables and back, by their own annotations: nothing to keep in step.

Text, numbers, truth values, string enumerations and tuples of text or numbers; each may be
absent where the record says `| None`. A record with another kind of field is refused.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from enum import StrEnum
from functools import cache
from typing import Any, NewType, TypeVar

import pyarrow as pa

from schemas.errors import ContractError
from schemas.tables.arrow_arrays import arrow_array

Record = TypeVar("Record")

_PLAIN: dict[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


def record_schema(record_type: type, *, without: Sequence[str] = ()) -> pa.Schema:
    """Return the Arrow schema of a record type, in the order of its fields.

    Parameters
    ----------
    record_type : type
        A dataclass.
    without : sequence of str
        Fields left out of the table; reading back gives them their defaults.
    """
    return _schema_of(record_type, tuple(without))


@cache
def _schema_of(record_type: Any, without: tuple[str, ...]) -> pa.Schema:
    hints = _hints_of(record_type)
    return pa.schema(
        [
            _arrow_field(item.name, hints[item.name])
            for item in fields(record_type)
            if item.name not in without
        ]
    )


@cache
def _hints_of(record_type: Any) -> Mapping[str, Any]:
    # Of a record of sixty fields that takes as long as making a hundred of them.
    return typing.get_type_hints(record_type)


def table_from_records(
    records: Iterable[Any],
    record_type: type,
    *,
    key: Sequence[str],
    without: Sequence[str] = (),
) -> pa.Table:
    """Return the records as a table sorted by `key`: the order given changes nothing."""
    rows = sorted(records, key=lambda record: tuple(_sortable(getattr(record, n)) for n in key))
    schema = record_schema(record_type, without=without)
    arrays = [
        arrow_array(_plain([getattr(row, field.name) for row in rows], field.type), field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


def records_from_table(table: pa.Table, record_type: type[Record]) -> list[Record]:
    """Return the rows of a table as records.

    Columns that the record does not have are left aside, so that a table may carry more (a
    batch, a site).

    Raises
    ------
    ContractError
        If a column of the record is missing and the record gives it no default.
    """
    kind: Any = record_type
    hints = _hints_of(kind)
    names = [name for name in hints if name in table.column_names]
    columns = [_values(table.column(name), hints[name]) for name in names]
    required = [
        item.name
        for item in fields(record_type)  # type: ignore[arg-type]  # only dataclasses come here
        if item.default is MISSING and item.default_factory is MISSING
    ]
    missing = [name for name in required if name not in names]
    if missing:
        raise ContractError(
            f"columns of the record are missing: {', '.join(missing)}",
            where=f"table of {record_type.__name__}",
        )
    return [record_type(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _arrow_field(name: str, hint: Any) -> pa.Field:
    core, optional = _core(hint)
    if typing.get_origin(core) is tuple:
        element, _ = _core(typing.get_args(core)[0])
        return pa.field(name, pa.list_(_plain_type(name, element)), nullable=optional)
    return pa.field(name, _plain_type(name, core), nullable=optional)


def _plain_type(name: str, kind: Any) -> pa.DataType:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return pa.string()
    if kind not in _PLAIN:
        raise TypeError(f"field {name}: no column type for {kind}")
    return _PLAIN[kind]


def _core(hint: Any) -> tuple[Any, bool]:
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [part for part in typing.get_args(hint) if part is not types.NoneType]
        if len(inner) != 1:
            raise TypeError(f"no column type for {hint}")
        optional, hint = True, inner[0]
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    return hint, optional


def _plain(values: list[Any], arrow_type: pa.DataType) -> Sequence[object]:
    if not pa.types.is_string(arrow_type):
        return values
    return [value.value if isinstance(value, StrEnum) else value for value in values]


def _values(column: pa.ChunkedArray, hint: Any) -> list[object]:
    """Return the values of a column as a record has them.

    By columns and not by cells: a cohort has millions of images of sixty values each.
    """
    core, _ = _core(hint)
    if pa.types.is_string(column.type):
        is_enumeration = isinstance(core, type) and issubclass(core, StrEnum)
        make = core if is_enumeration else str
        return [value for chunk in column.chunks for value in _texts(chunk, make)]
    if pa.types.is_nested(column.type):
        return [value for chunk in column.chunks for value in _tuples(chunk)]
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if is_number and not column.null_count:
        whole: list[object] = column.to_numpy().tolist()
        return whole
    return list(column.to_pylist())


def _texts(chunk: pa.Array, make: Callable[[str], object]) -> list[object]:
    """Return texts; one that stands in many rows is made once, and shared by them."""
    codes = chunk.dictionary_encode()
    texts = [make(text) for text in codes.dictionary.to_pylist()]
    places = codes.indices.fill_null(len(texts)).to_numpy().tolist()
    texts.append(None)
    return [texts[place] for place in places]


def _tuples(chunk: pa.Array) -> Iterator[object]:
    """Yield lists as tuples; of numbers, one that stands in many rows is made once.

    The slices of a series share orientation and spacing. They are told apart by their bytes:
    0.0 and -0.0 are two values.
    """
    kind = chunk.type.value_type if pa.types.is_list(chunk.type) else None
    if kind != pa.float64() or chunk.values.null_count:
        yield from (tuple(one) if isinstance(one, list) else one for one in chunk.to_pylist())
        return
    numbers = chunk.values.to_numpy()
    data, width = numbers.tobytes(), numbers.itemsize
    bounds, is_valid = chunk.offsets.to_numpy().tolist(), chunk.is_valid().to_pylist()
    made: dict[bytes, tuple[float, ...]] = {}
    for begin, end, valid in zip(bounds, bounds[1:], is_valid, strict=False):
        key = data[begin * width : end * width]
        if valid and key not in made:
            made[key] = tuple(numbers[begin:end].tolist())
        yield made[key] if valid else None


def _sortable(value: object) -> tuple[bool, Any]:
    return (value is not None, "" if value is None else value)
