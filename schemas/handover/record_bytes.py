"""A hand-over record to the bytes of one file and back, by the record's own annotations. Pure.

Tables and tuples of flat records become Arrow; what has no columns (paths that need not be
text, form values of several kinds, nested mappings) stays a pickle beside them. All parts are
in one archive, so that a hand-over is there whole or not at all.
"""

from __future__ import annotations

import io
import pickle
import typing
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from schemas.tables.record_tables import record_schema, records_from_table, table_from_records

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Handover = TypeVar("Handover", bound=DataclassInstance)
else:
    Handover = TypeVar("Handover")

_REST = "rest.pickle"
_ROW = "_row"


def to_bytes(record: DataclassInstance) -> bytes:
    """Return the record as the bytes of one file."""
    parts = _encode(record)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return stream.getvalue()


def from_bytes(data: bytes, kind: type[Handover]) -> Handover:
    """Return the record of this kind that `to_bytes` wrote.

    Raises
    ------
    zipfile.BadZipFile
        If the bytes are not whole.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return _decode({name: archive.read(name) for name in archive.namelist()}, kind)


def _encode(record: DataclassInstance, prefix: str = "") -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    rest: dict[str, object] = {}
    for name, hint in _hints(type(record)).items():
        value, part = getattr(record, name), f"{prefix}{name}"
        if is_dataclass(hint):
            parts |= _encode(value, f"{part}.")
        elif hint is pa.Table:
            parts[f"{part}.arrow"] = _arrow(value)
        elif _is_tables(hint):
            rest[name] = list(value)
            parts |= {f"{part}.{key}.arrow": _arrow(table) for key, table in value.items()}
        elif (rows := _rows_of(hint)) is not None:
            parts |= _encode_rows(value, rows, part)
        else:
            rest[name] = value
    if rest:
        parts[prefix + _REST] = pickle.dumps(rest)
    return parts


def _decode(parts: Mapping[str, bytes], kind: type[Handover], prefix: str = "") -> Handover:
    # Our own file, in a zone only this user can write.
    rest = pickle.loads(parts[prefix + _REST]) if prefix + _REST in parts else {}  # noqa: S301
    values: dict[str, object] = {}
    for name, hint in _hints(kind).items():
        part = f"{prefix}{name}"
        if isinstance(hint, type) and is_dataclass(hint):
            values[name] = _decode(parts, hint, f"{part}.")
        elif hint is pa.Table:
            values[name] = _table(parts[f"{part}.arrow"])
        elif _is_tables(hint):
            values[name] = {key: _table(parts[f"{part}.{key}.arrow"]) for key in rest[name]}
        elif (rows := _rows_of(hint)) is not None:
            values[name] = _decode_rows(parts, rows, part)
        else:
            values[name] = rest[name]
    return kind(**values)


@dataclass(frozen=True)
class _Rows:
    """A flat record type, and those of its fields that are flat records themselves."""

    record: type
    inner: Mapping[str, type]


def _encode_rows(rows: tuple[object, ...], kind: _Rows, part: str) -> dict[str, bytes]:
    # No key to sort by: the order a stage gave is kept.
    own = table_from_records(rows, kind.record, key=(), without=tuple(kind.inner))
    parts = {f"{part}.arrow": _arrow(own)}
    for name, inner in kind.inner.items():
        there = [i for i, row in enumerate(rows) if getattr(row, name) is not None]
        table = table_from_records((getattr(rows[i], name) for i in there), inner, key=())
        numbers = pa.array(there, pa.int64())
        parts[f"{part}.{name}.arrow"] = _arrow(table.append_column(_ROW, numbers))
    return parts


def _decode_rows(parts: Mapping[str, bytes], kind: _Rows, part: str) -> tuple[object, ...]:
    found: list[DataclassInstance] = records_from_table(_table(parts[f"{part}.arrow"]), kind.record)
    for name, inner in kind.inner.items():
        table = _table(parts[f"{part}.{name}.arrow"])
        values: list[object] = records_from_table(table, inner)
        for i, value in zip(table.column(_ROW).to_pylist(), values, strict=True):
            found[i] = replace(found[i], **{name: value})
    return tuple(found)


@cache
def _hints(kind: type) -> Mapping[str, object]:
    hints = typing.get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def _is_tables(hint: object) -> bool:
    return typing.get_origin(hint) is Mapping and typing.get_args(hint) == (str, pa.Table)


@cache
def _rows_of(hint: object) -> _Rows | None:
    """Return what a `tuple[Record, ...]` holds where its records have columns."""
    args = typing.get_args(hint)
    if typing.get_origin(hint) is not tuple or len(args) != 2 or args[1] is not Ellipsis:
        return None
    record = args[0]
    if not isinstance(record, type) or not is_dataclass(record):
        return None
    inner = {
        name: part
        for name, found in _hints(record).items()
        for part in typing.get_args(found)
        if isinstance(part, type) and is_dataclass(part)
    }
    try:
        record_schema(record, without=tuple(inner))
        for part in inner.values():
            record_schema(part)
    except TypeError:
        return None
    return _Rows(record, inner)


def _arrow(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_file(pa.py_buffer(data)).read_all()
