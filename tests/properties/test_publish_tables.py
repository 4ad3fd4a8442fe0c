"""Laws of published tables: order changes nothing, Parquet keeps everything, a diff is exact."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.publish.diff.content import split_by_site, table_hash
from tasks.publish.diff.differences import Bump, compare_tables
from tasks.publish.rows import Row
from tasks.publish.store_tables import write_parquet
from tests.unit.publish.cohort import CONTRACTS, make_row, make_table

TEXT = st.text(max_size=8)
ROWS = st.lists(
    st.builds(
        lambda number, mm, codes, malignant: make_row(
            "nifti_volume",
            volume_id=f"{number:03d}",
            voxel_x_mm=mm,
            codes=codes,
            round_trip_ok=malignant,
            b_values=[mm] if malignant else None,
        ),
        st.integers(0, 999),
        st.floats(allow_nan=False, allow_infinity=False),
        st.lists(TEXT, max_size=3),
        st.booleans(),
    ),
    unique_by=lambda row: row["volume_id"],
    max_size=12,
)


@settings(deadline=None, max_examples=40)
@given(rows=ROWS, seed=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_byte_and_parquet_keeps_every_value(
    rows: list[Row], seed: object
) -> None:
    shuffled = list(rows)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    one, other = make_table("nifti_volume", rows), make_table("nifti_volume", shuffled)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("one.parquet", "other.parquet")]
        write_parquet(one, paths[0])
        write_parquet(other, paths[1])
        assert paths[0].read_bytes() == paths[1].read_bytes()
        back = pq.read_table(paths[0])
    assert back.schema.equals(CONTRACTS["nifti_volume"].arrow_schema())
    assert table_hash(back) == table_hash(one) == table_hash(other)


@settings(deadline=None, max_examples=60)
@given(before=ROWS, after=ROWS)
def test_a_difference_names_exactly_the_rows_that_differ(
    before: list[Row], after: list[Row]
) -> None:
    old = {str(row["volume_id"]): row for row in before}
    new = {str(row["volume_id"]): row for row in after}
    tables = [{"nifti_volume": make_table("nifti_volume", rows)} for rows in (before, after)]
    found = compare_tables(tables[0], tables[1], CONTRACTS)
    by_kind = {
        kind: {change.key for change in found.changes if change.kind == kind}
        for kind in ("row_added", "row_removed", "value_changed")
    }
    assert by_kind == {
        "row_added": new.keys() - old.keys(),
        "row_removed": old.keys() - new.keys(),
        "value_changed": {key for key in old.keys() & new.keys() if old[key] != new[key]},
    }
    assert (found.bump is Bump.NONE) == (old == new)


@settings(deadline=None, max_examples=40)
@given(runs=st.lists(st.tuples(st.sampled_from(["S91", "S92", "S93", None]), st.integers(1, 80))))
def test_every_row_is_in_the_part_of_its_site_in_the_order_it_had(
    runs: list[tuple[str | None, int]],
) -> None:
    sites = [site for site, n in runs for _ in range(n)]
    rows = [
        make_row("screening_log", site_code="S91", screening_no=f"{n:05d}", enrolled="no")
        for n in range(len(sites))
    ]
    table = make_table("screening_log", rows)
    at = table.schema.get_field_index("site_code")
    table = table.set_column(at, table.schema.field(at), pa.array(sites, pa.string()))
    parts = split_by_site(table, CONTRACTS["screening_log"])
    expected: dict[str, list[str]] = {site or "all": [] for site in sites} or {"all": []}
    for number, site in enumerate(sites):
        expected[site or "all"].append(f"{number:05d}")
    assert {s: part["screening_no"].to_pylist() for s, part in parts.items()} == expected
    assert list(parts) == sorted(parts)
    for part in parts.values():
        assert table_hash(part) == table_hash(part.combine_chunks())
