"""Arrays built without pandas are those that Arrow builds itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tables.arrow_arrays import arrow_array

PLAIN: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.bool_(), st.booleans()),
]
KINDS = [*PLAIN, *((pa.list_(kind), st.lists(values, max_size=4)) for kind, values in PLAIN)]


@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_any_column_is_the_one_arrow_builds(
    data: st.DataObject, kind: tuple[pa.DataType, st.SearchStrategy[Any]]
) -> None:
    arrow_type, values = kind
    column = data.draw(st.lists(st.none() | values, max_size=20))
    found = arrow_array(column, arrow_type)
    found.validate(full=True)
    assert found.equals(pa.array(column, type=arrow_type))
    assert found.to_pylist() == column


@pytest.mark.parametrize(
    ("arrow_type", "value"),
    [(pa.string(), 1), (pa.int64(), 1.5), (pa.int64(), True), (pa.bool_(), "x"), (pa.int64(), "1")],
)
def test_a_value_of_another_type_is_refused(arrow_type: pa.DataType, value: object) -> None:
    with pytest.raises(TypeError):
        arrow_array([value], arrow_type)


def test_pandas_stays_unloaded() -> None:
    code = (
        "import sys, pyarrow as pa; from schemas.tables.arrow_arrays import arrow_array;"
        "arrow_array([['a'], None], pa.list_(pa.string()));"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
