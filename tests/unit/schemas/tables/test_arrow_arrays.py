"""Columns from lists and numpy, and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from schemas.tables.arrow_arrays import (
    numbers_in,
    place_array,
    text_scalar,
    truth_array,
    truths_in,
)


@pytest.mark.parametrize("begin", [0, 3, 8, 13])
def test_what_stands_in_a_part_of_a_column_comes_out_as_it_stands_there(begin: int) -> None:
    truths = [n % 3 == 0 for n in range(20)]
    column = pa.chunked_array([pa.array(truths), pa.array([], pa.bool_()), pa.array(truths)])
    assert truths_in(column.slice(begin)).tolist() == (truths + truths)[begin:]
    for kind in (pa.int32(), pa.int64()):
        numbers = pa.chunked_array([pa.array(range(20), kind), pa.array(range(5), kind)])
        assert numbers_in(numbers.slice(begin)).tolist() == [*range(20), *range(5)][begin:]


def test_a_column_with_an_absent_value_is_no_column_of_numbers() -> None:
    for read, column in ((truths_in, pa.array([True, None])), (numbers_in, pa.array([1, None]))):
        with pytest.raises(ValueError, match="absent"):
            read(column)


def test_numpy_goes_in_and_one_text_is_a_scalar() -> None:
    mask = np.array([True, False, True] * 5)
    assert truth_array(mask).to_pylist() == mask.tolist()
    assert place_array(np.flatnonzero(mask)[::2]).to_pylist() == [0, 3, 6, 9, 12]
    assert text_scalar("a").as_py() == "a"
    assert text_scalar(None).type == pa.string()
