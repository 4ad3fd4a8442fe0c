"""Erasure: the subject is gone from every release, a tombstone stays, and all still verifies."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from schemas.run.zones import Zones
from schemas.vault.anchors import read_anchors
from schemas.vault.keys import KeyRing
from tasks.publish.erase.store_erase import erase_from_releases, publish_without
from tasks.publish.signature import Signer
from tasks.publish.store import build_release, sweep_staging
from tasks.publish.store_origin import record_if_own, record_release, recorded_sums
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import CONTRACTS, digest_of, make_cohort, make_facts, make_sources
from tests.unit.publish.test_release import SIGNER, files_below, query

GONE, STAYS, NEW = "S91-AAAA2222", "S92-CCCC4444", "S92-DDDD5555"


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """Two releases that hold the subject."""
    for tables in (make_cohort(), make_cohort(extra_subject=NEW)):
        build_release(
            tables,
            releases_dir=tmp_path / "releases",
            nifti_sources=make_sources(tmp_path / "warehouse", tables),
            facts=make_facts(),
            signer=SIGNER,
        )
    return tmp_path / "releases"


def erase(releases: Path) -> list[str]:
    assert publish_without(releases, GONE, SIGNER) == "2.0.0"
    return erase_from_releases(releases, GONE, SIGNER)


def words(folder: Path) -> dict[str, bytes]:
    """Return every file with its bytes, the database as text of all its cells and blocks."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_no_file_of_any_release_holds_anything_of_the_subject(releases: Path) -> None:
    assert erase(releases) == ["1.0.0", "1.1.0"]
    told = {"removed_ids.csv", "tombstones.json", "manifest.json"}
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        for path, data in words(releases / version).items():
            assert digest_of(GONE).encode() not in data, path
            assert path in told or b"AAAA2222" not in data, path
            assert b"AAAA2222" not in path.encode()
        for table in ("subject", "series", "eligibility", "screening_log"):
            sql = f"SELECT count(*) FROM {table} WHERE subject_id = '{GONE}'"
            assert query(releases / version, sql) == [(0,)]


def test_every_release_still_verifies_and_says_who_was_erased(releases: Path) -> None:
    before = json.loads((releases / "1.0.0" / "manifest.json").read_text())["content_hash"]
    erase(releases)
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        assert verify_release(releases / version) == []
    (stone,) = json.loads((releases / "1.0.0" / "tombstones.json").read_text())
    assert stone == {"subject_id": GONE, "content_hash_before": before}
    manifest = json.loads((releases / "1.0.0" / "manifest.json").read_text())
    assert manifest["tombstones"] == [stone]
    assert manifest["content_hash"] != before
    assert (releases / "latest").resolve().name == "2.0.0"
    assert (
        "subjects removed: 1 (the subject was erased"
        in (releases / "2.0.0" / "CHANGELOG.md").read_text()
    )


def test_the_database_of_an_erased_release_keeps_keys_views_and_comments(releases: Path) -> None:
    erase(releases)
    with duckdb.connect(str(releases / "1.0.0" / "cohort.duckdb"), read_only=True) as cohort:
        for catalogue in ("duckdb_tables", "duckdb_views", "duckdb_columns"):
            sql = f"SELECT * FROM {catalogue}() WHERE NOT internal AND comment IS NULL"
            assert cohort.execute(sql).fetchall() == []
        sql = "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
        assert cohort.execute(sql).fetchall() == [(len(CONTRACTS),)]
        assert cohort.execute("SELECT subject_id FROM analysis_set").fetchall() == [(STAYS,)]


def test_the_metadata_quotes_the_new_hashes(releases: Path) -> None:
    erase(releases)
    folder = releases / "1.0.0"
    sums = files_below(folder)
    crate = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    stated = {e["@id"]: e["sha256"] for e in crate if "sha256" in e}
    assert stated == {path: sums[path] for path in stated}
    package = json.loads((folder / "datapackage.json").read_text())
    assert all(r["hash"] == f"sha256:{sums[r['path']]}" for r in package["resources"])


def test_erasing_again_changes_nothing_and_a_stranger_is_in_no_release(releases: Path) -> None:
    erase(releases)
    before = files_below(releases)
    assert publish_without(releases, GONE) is None
    assert erase_from_releases(releases, GONE) == []
    assert erase_from_releases(releases, "S91-ZZZZ7777") == []
    assert files_below(releases) == before


def test_an_erasure_killed_between_its_renames_is_put_back_and_ends_next_time(
    releases: Path,
) -> None:
    (releases / "1.0.0").rename(releases / ".1.0.0.0123abcd.erased")
    sweep_staging(releases)
    assert verify_release(releases / "1.0.0") == []
    assert erase(releases) == ["1.0.0", "1.1.0"]
    (releases / ".1.0.0.0123abcd.erased").mkdir()
    assert sweep_staging(releases) == 1


class _KilledError(Exception):
    """In place of a kill."""


def test_what_the_home_remembers_does_not_lag_behind_an_erasure_that_was_killed(
    releases: Path, tmp_path: Path
) -> None:
    zones, ring = Zones(tmp_path / "home"), KeyRing(bytes(range(32)))
    public = Signer.of(ring).public
    for version in ("1.0.0", "1.1.0"):
        record_release(zones, ring, version, releases / version)
    publish_without(releases, GONE, SIGNER)  # and killed before it could be remembered
    calls: list[str] = []

    def remember(version: str, staged: Path) -> None:
        record_release(zones, ring, version, staged)
        calls.append(version)
        if calls == ["1.0.0", "1.1.0"]:
            raise _KilledError  # one is done, the other remembered and not yet in its place

    with pytest.raises(_KilledError):
        erase_from_releases(releases, GONE, SIGNER, before_each=remember)
    sweep_staging(releases)
    assert publish_without(releases, GONE, SIGNER) is None
    assert record_if_own(zones, ring, releases / "2.0.0", public)
    erase_from_releases(releases, GONE, SIGNER, before_each=remember)
    recorded = recorded_sums(read_anchors(zones, ring))
    assert set(recorded) == {"1.0.0", "1.1.0", "2.0.0"}
    for version in (*recorded, "latest"):
        assert verify_release(releases / version, known=public, recorded=recorded) == []


def test_no_release_of_another_key_and_none_older_is_remembered_afterwards(
    releases: Path, tmp_path: Path
) -> None:
    zones, ring = Zones(tmp_path / "home"), KeyRing(bytes(range(32)))
    assert not record_if_own(zones, ring, releases / "1.1.0", Signer.of(KeyRing(bytes(32))).public)
    assert not recorded_sums(read_anchors(zones, ring))
    record_release(zones, ring, "1.1.0", releases / "1.1.0")
    record_if_own(zones, ring, releases / "1.0.0", Signer.of(ring).public)
    assert set(recorded_sums(read_anchors(zones, ring))) == {"1.1.0"}
