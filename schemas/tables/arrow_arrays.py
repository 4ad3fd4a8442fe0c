"""Arrow arrays from plain lists and numpy, and back, without pandas.

`pyarrow.array`, `pyarrow.scalar` and `to_numpy` load pandas wherever it is installed, to see if
what they are given is one of its series: that costs more than writing the tables of a small run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

_NUMPY = {pa.int64(): np.int64, pa.float64(): np.float64}


def arrow_array(values: Sequence[Any], arrow_type: pa.DataType) -> pa.Array:
    """Return the array that `pyarrow.array` gives, for the column types of records.

    Parameters
    ----------
    values : sequence
        Text, integers, floats, truth values, or lists of them; None where absent.
    arrow_type : pa.DataType
        string, int64, float64, bool, or a list of one of them.

    Raises
    ------
    TypeError, ValueError, OverflowError
        If a value is not of that type.
    """
    absent = sum(value is None for value in values)
    valid = _bits(value is not None for value in values) if absent else None
    if pa.types.is_list(arrow_type):
        child = arrow_array(
            list(itertools.chain(*(v or () for v in values))), arrow_type.value_type
        )
        offsets = _offsets(0 if v is None else len(v) for v in values)
        return pa.Array.from_buffers(
            arrow_type, len(values), [valid, offsets], null_count=absent, children=[child]
        )
    _require_types(values, arrow_type)
    if pa.types.is_string(arrow_type):
        texts = [b"" if value is None else value.encode() for value in values]
        buffers = [valid, _offsets(map(len, texts)), pa.py_buffer(b"".join(texts))]
    elif pa.types.is_boolean(arrow_type):
        buffers = [valid, _bits(map(bool, values))]
    else:
        numbers = [0 if value is None else value for value in values]
        buffers = [valid, pa.py_buffer(np.array(numbers, dtype=_NUMPY[arrow_type]))]
    return pa.Array.from_buffers(arrow_type, len(values), buffers, null_count=absent)


def text_scalar(text: str | None) -> pa.Scalar:
    """Return a text, or none, as what stands in a column of texts."""
    return arrow_array([text], pa.string())[0]


def truth_array(truths: np.ndarray) -> pa.Array:
    """Return truth values of numpy as an array."""
    return pa.Array.from_buffers(pa.bool_(), len(truths), [None, _bits(truths)])


def place_array(places: np.ndarray) -> pa.Array:
    """Return whole numbers of numpy as an array."""
    numbers = np.ascontiguousarray(places, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def truths_in(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return a column of truth values, none of them absent, as numpy has them."""
    parts = [
        np.unpackbits(np.frombuffer(chunk.buffers()[1], np.uint8), bitorder="little")[
            chunk.offset : chunk.offset + len(chunk)
        ]
        for chunk in _chunks(column)
    ]
    return np.concatenate([np.zeros(0, np.uint8), *parts]).astype(bool)


def numbers_in(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return a column of whole numbers, none of them absent, as numpy has them."""
    parts = [
        np.frombuffer(chunk.buffers()[1], f"i{chunk.type.bit_width // 8}")[
            chunk.offset : chunk.offset + len(chunk)
        ]
        for chunk in _chunks(column)
    ]
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def _chunks(column: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if any(chunk.null_count for chunk in chunks):
        raise ValueError("a value is absent")
    return [chunk for chunk in chunks if len(chunk)]


_PYTHON: dict[pa.DataType, tuple[type, ...]] = {
    pa.string(): (str,),
    pa.bool_(): (bool,),
    pa.int64(): (int,),
    pa.float64(): (float, int),
}


def _require_types(values: Iterable[Any], arrow_type: pa.DataType) -> None:
    kinds = _PYTHON[arrow_type]
    for value in values:
        fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        if value is not None and not fits:
            raise TypeError(f"{type(value).__name__} in a column of {arrow_type}")


def _bits(flags: np.ndarray | Iterable[bool]) -> pa.Buffer:
    truths = flags if isinstance(flags, np.ndarray) else np.fromiter(flags, dtype=np.bool_)
    return pa.py_buffer(np.packbits(truths, bitorder="little"))


def _offsets(lengths: Iterable[int]) -> pa.Buffer:
    ends = list(itertools.accumulate(lengths, initial=0))
    return pa.py_buffer(np.array(ends, dtype=np.int32))
