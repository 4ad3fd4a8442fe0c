"""The database of a release is made from its own tables, whatever became of the one before."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pytest

from benchmarks.publish.made_cohort import make_tables
from schemas.tables.contracts import read_table_contracts
from tasks.publish.store_database import catalogue, view_statements
from tasks.publish.store_manifest import read_manifest
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import make_cohort
from tests.unit.publish.test_release import query, release


def test_a_changed_database_is_no_source_of_the_next(made: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(made / "cohort.duckdb")) as connection:
        connection.execute("UPDATE subject SET age_years = 1.0")
    two = release(tmp_path, make_cohort(extra_subject="S92-DDDD5555")).path
    assert two is not None
    assert query(two, "SELECT DISTINCT age_years FROM subject") == [(60.0,)]
    assert verify_release(two) == []


def test_the_file_is_read_by_old_versions_of_duckdb(made: Path) -> None:
    header = (made / "cohort.duckdb").read_bytes()[:20]
    assert int.from_bytes(header[12:20], "little") == 64


def test_two_builds_of_the_same_tables_have_the_same_catalogue(tmp_path: Path) -> None:
    one, other = (release(tmp_path / n, make_cohort()).path for n in ("a", "b"))
    assert one is not None
    assert other is not None
    assert catalogue(one / "cohort.duckdb") == catalogue(other / "cohort.duckdb")
    assert read_manifest(one)["database"] == catalogue(one / "cohort.duckdb")


def test_the_dictionary_says_what_every_column_of_every_view_is(made: Path) -> None:
    text = (made / "data_dictionary.csv").read_text(encoding="utf-8-sig")
    stated = {(row["table"], row["column"]): row for row in csv.DictReader(text.splitlines())}
    found = query(
        made,
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal",
    )
    assert {(table, name): kind for table, name, kind in found} == {
        place: row["type"] for place, row in stated.items()
    }
    assert all(row["description_en"] for row in stated.values())
    assert stated["slice_steps", "step_mm"]["unit"] == "mm"


@pytest.mark.parametrize("threads", [1, 4])
def test_the_fast_views_say_what_the_plain_questions_say(threads: int) -> None:
    """Enough rows for several row groups; each sub-stack with a gap of its own."""
    contracts = read_table_contracts()
    tables = make_tables(20, instances=150_000)
    instance = tables["instance"]
    gap = pc.if_else(pc.equal(instance["slice_no"], 7), 3.5, 0.0)
    at = instance.schema.get_field_index("slice_position_mm")
    shifted = pc.add(instance["slice_position_mm"], gap)
    tables["instance"] = instance.set_column(at, instance.schema.field(at), shifted)
    with duckdb.connect(config={"threads": threads}) as connection:
        for name, contract in contracts.items():
            connection.execute(contract.ddl())
            if name in tables:
                connection.register("incoming", tables[name])
                connection.execute(f'INSERT INTO "{name}" SELECT * FROM incoming')
        for statement in view_statements(contracts):
            connection.execute(statement)
        for plain, fast in SAME_QUESTIONS:
            assert connection.execute(fast).fetchall() == connection.execute(plain).fetchall()


SAME_QUESTIONS = (
    (
        "SELECT label, count(*), round(avg(slice_position_mm), 6) FROM instance "
        "JOIN series USING (series_uid, sub_stack_digest) GROUP BY 1 ORDER BY 1",
        "SELECT label, sum(n_images), round(sum(mean_mm * n_images) / sum(n_images), 6) "
        "FROM sub_stack_slices GROUP BY 1 ORDER BY 1",
    ),
    (
        "SELECT * FROM (SELECT series_uid, slice_no, slice_position_mm - lag(slice_position_mm) "
        "OVER (PARTITION BY series_uid, sub_stack_digest ORDER BY slice_no) AS step FROM instance) "
        "WHERE step IS NOT NULL ORDER BY ALL",
        "SELECT series_uid, slice_no, step_mm FROM slice_steps ORDER BY ALL",
    ),
)
