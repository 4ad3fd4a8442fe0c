"""Cells are found in every table, also in one that is not as ours are."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.deidentify.search.store_scan_tables import read_duckdb_cells, read_parquet_cells

_TEXT, _VIEW = pa.string(), pa.string_view()
_CATEGORY = pa.dictionary(pa.int32(), _TEXT)
N_ROWS = 64
PEOPLE = ["S91-AAAAAAAA", "S91-BBBBBBBB"] * (N_ROWS // 2)
WORDS = [f"word {row}" for row in range(N_ROWS)]
OF_EACH = {person: set(WORDS[first::2]) | {person} for first, person in enumerate(PEOPLE[:2])}


@pytest.mark.parametrize("nobody", [False, True])
@pytest.mark.parametrize("is_dictionary", [False, True])
def test_each_person_has_the_cells_of_their_rows(
    tmp_path: Path, nobody: bool, is_dictionary: bool
) -> None:
    people = pa.array([None if nobody and one == PEOPLE[1] else one for one in PEOPLE])
    owners = people.dictionary_encode() if is_dictionary else people
    pq.write_table(pa.table({"subject_id": owners, "words": WORDS}), tmp_path / "t.parquet")
    found = {
        owner: set(text.split("\n")) for owner, text in read_parquet_cells(tmp_path / "t.parquet")
    }
    if nobody:
        assert found == {PEOPLE[0]: OF_EACH[PEOPLE[0]], None: set(WORDS[1::2])}
    else:
        assert {one: found[one] for one in PEOPLE[:2]} == OF_EACH


def test_a_long_number_keeps_all_its_digits(tmp_path: Path) -> None:
    """HUGEINT is what DuckDB makes of a sum; of an ENUM Arrow has numbers and a list of words."""
    numbers = [110105199406031230 + row for row in range(N_ROWS)]
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute("CREATE TYPE person AS ENUM ('S91-AAAAAAAA', 'S91-BBBBBBBB')")
        connection.execute("CREATE TABLE t (subject_id person, number HUGEINT)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?)", list(zip(PEOPLE, numbers, strict=True))
        )
    found = {
        owner: set(text.split("\n")) for owner, text in read_duckdb_cells(tmp_path / "t.duckdb")
    }
    for first, person in enumerate(PEOPLE[:2]):
        assert found[person] == {person, *map(str, numbers[first::2])}


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
