"""The database of a release is made from its own tables, whatever became of the one before."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tasks.publish.store_database import catalogue
from tasks.publish.store_manifest import read_manifest
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import make_cohort
from tests.unit.publish.test_release import query, release


def test_a_changed_database_is_no_source_of_the_next(tmp_path: Path) -> None:
    one = release(tmp_path, make_cohort()).path
    assert one is not None
    with duckdb.connect(str(one / "cohort.duckdb")) as connection:
        connection.execute("UPDATE subject SET age_years = 1.0")
    two = release(tmp_path, make_cohort(extra_subject="S92-DDDD5555")).path
    assert two is not None
    assert query(two, "SELECT DISTINCT age_years FROM subject") == [(60.0,)]
    assert verify_release(two) == []


def test_the_file_is_read_by_old_versions_of_duckdb(tmp_path: Path) -> None:
    path = release(tmp_path, make_cohort()).path
    assert path is not None
    header = (path / "cohort.duckdb").read_bytes()[:20]
    assert int.from_bytes(header[12:20], "little") == 64


def test_two_builds_of_the_same_tables_have_the_same_catalogue(tmp_path: Path) -> None:
    one, other = (release(tmp_path / n, make_cohort()).path for n in ("a", "b"))
    assert one is not None
    assert other is not None
    assert catalogue(one / "cohort.duckdb") == catalogue(other / "cohort.duckdb")
    assert read_manifest(one)["database"] == catalogue(one / "cohort.duckdb")
