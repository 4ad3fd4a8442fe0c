"""The database of a release is made from its own tables, whatever became of the one before."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tasks.publish.store_database import catalogue_of, expected_catalogue
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import CONTRACTS, make_cohort
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


def test_the_catalogue_of_a_release_is_the_one_the_software_gives(tmp_path: Path) -> None:
    path = release(tmp_path, make_cohort()).path
    assert path is not None
    with duckdb.connect(str(path / "cohort.duckdb"), read_only=True) as connection:
        assert catalogue_of(connection) == expected_catalogue(CONTRACTS)
