"""Tables of every type that Parquet states are read, by whose the rows are."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.deidentify.search.store_scan_tables import read_parquet_cells

_TEXT, _VIEW = pa.string(), pa.string_view()
_CATEGORY = pa.dictionary(pa.int32(), _TEXT)


@pytest.mark.parametrize("n_rows", [3, 300])
@pytest.mark.parametrize(
    ("owner", "said"),
    [(_TEXT, _TEXT), (_CATEGORY, _TEXT), (_TEXT, _CATEGORY), (_VIEW, _TEXT), (_TEXT, _VIEW)],
    ids=str,
)
def test_whose_a_row_is_is_told_whatever_types_its_texts_are_of(
    owner: pa.DataType, said: pa.DataType, n_rows: int, tmp_path: Path
) -> None:
    columns = {
        "subject_id": pa.array(["a", None, "b"] * (n_rows // 3)).cast(owner),
        "said": pa.array(["of a", "of nobody", None] * (n_rows // 3)).cast(said),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    cells = [
        (one, set(text.split("\n"))) for one, text in read_parquet_cells(tmp_path / "t.parquet")
    ]
    for found in [("a", {"a", "of a"}), (None, {"of nobody"}), ("b", {"b"})]:
        assert found in cells
