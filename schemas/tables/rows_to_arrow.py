"""Python values to Arrow columns, strictly: nothing is converted that was not meant."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import pyarrow as pa

from schemas.errors import ContractError

ARROW_TYPES: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "DOUBLE": pa.float64(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "VARCHAR[]": pa.list_(pa.string()),
    "DOUBLE[]": pa.list_(pa.float64()),
}


def column_array(
    values: Sequence[object],
    arrow_type: pa.DataType,
    *,
    nullable: bool,
    allowed: Sequence[str] | None,
    where: str,
) -> pa.Array:
    """Return one column; a value that does not fit is refused by row number, never quoted.

    Parameters
    ----------
    values : sequence
        Python values in row order; None means absent.
    arrow_type : pyarrow.DataType
        One of the types in `ARROW_TYPES`.
    nullable : bool
        Whether None is accepted. Elements of a list are never None.
    allowed : sequence of str, optional
        The codes accepted; None accepts any text.
    where : str
        Table and column, for the message.
    """
    if not nullable:
        _require(values, lambda value: value is not None, "a value is missing", where)
    fits = _FITS[_family(arrow_type)]
    is_list = pa.types.is_list(arrow_type)
    accepts = frozenset(allowed) if allowed is not None else None
    if is_list:
        _require(values, _is_list, "a value is not a list", where)
        _require(values, lambda v: _all_fit(v, fits), "an element has another type", where)
    else:
        _require(values, lambda v: v is None or fits(v), f"a value is not {arrow_type}", where)
    if accepts is not None:
        inside = _elements_in(accepts) if is_list else _one_of(accepts)
        _require(values, inside, "a value is not an allowed code", where, allowed)
    try:
        return pa.array(values, type=arrow_type)
    except (pa.ArrowException, OverflowError):
        raise ContractError(f"a value does not fit {arrow_type}", where=where) from None


def table_of(
    arrays: Mapping[str, pa.Array], schema: pa.Schema, key: Sequence[str], name: str
) -> pa.Table:
    """Join columns into a table sorted by its key; two rows with one key are refused."""
    table = pa.table([arrays[field.name] for field in schema], schema=schema)
    table = table.sort_by([(column, "ascending") for column in key])
    if table.num_rows > 1:
        keys = list(zip(*(table.column(column).to_pylist() for column in key), strict=True))
        twins = sum(one == other for one, other in pairwise(keys))
        if twins:
            raise ContractError(
                f"{twins} rows repeat a primary key", where=f"table {name}", expected=", ".join(key)
            )
    return table.combine_chunks()


def _require(
    values: Sequence[object],
    holds: Callable[[object], bool],
    reason: str,
    where: str,
    expected: Iterable[str] | None = None,
) -> None:
    for number, value in enumerate(values, start=1):
        if not holds(value):
            text = ", ".join(expected) if expected else ""
            raise ContractError(reason, where=f"{where}, row {number}", expected=text)


def _family(arrow_type: pa.DataType) -> str:
    return str(arrow_type.value_type if pa.types.is_list(arrow_type) else arrow_type)


def _is_list(value: object) -> bool:
    return value is None or isinstance(value, list | tuple)


def _all_fit(value: object, fits: Callable[[object], bool]) -> bool:
    return value is None or (isinstance(value, list | tuple) and all(map(fits, value)))


def _one_of(accepts: frozenset[str]) -> Callable[[object], bool]:
    return lambda value: value is None or value in accepts


def _elements_in(accepts: frozenset[str]) -> Callable[[object], bool]:
    return lambda value: (
        value is None or (isinstance(value, list | tuple) and accepts.issuperset(value))
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


def _is_day(value: object) -> bool:
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


_FITS: dict[str, Callable[[object], bool]] = {
    "string": _is_text,
    "int32": _is_whole,
    "int64": _is_whole,
    "double": _is_number,
    "bool": _is_truth,
    "date32[day]": _is_day,
}
