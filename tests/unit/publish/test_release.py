"""A release: whole or not there, never overwritten, the same bytes for the same inputs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from schemas.errors import BadInputError, BusyError, ContractError
from schemas.vault.keys import KeyRing
from tasks.publish import store, store_write
from tasks.publish.facts import ReleaseResult, ReleaseStatus
from tasks.publish.signature import Signer
from tasks.publish.store import build_release, diff_releases, newest_release, sweep_staging
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import (
    decision_register,
    make_cohort,
    make_facts,
    make_sources,
)

SIGNER = Signer.of(KeyRing(bytes(range(32))))


def release(
    home: Path, tables: dict[str, pa.Table], bump: str = "auto", **facts: object
) -> ReleaseResult:
    return build_release(
        tables,
        releases_dir=home / "releases",
        nifti_sources=make_sources(home / "warehouse", tables),
        facts=make_facts(**facts),
        bump=bump,
        signer=SIGNER,
    )


def files_below(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def query(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folder / "cohort.duckdb"), read_only=True) as connection:
        return [tuple(row) for row in connection.execute(sql).fetchall()]


def test_two_builds_of_the_same_inputs_differ_in_the_database_file_only(tmp_path: Path) -> None:
    one = release(tmp_path / "one", make_cohort()).path
    backwards = dict(reversed(make_cohort().items()))
    other = release(tmp_path / "other", backwards).path
    assert one is not None
    assert other is not None
    first, second = files_below(one), files_below(other)
    different = {path for path in first if first[path] != second[path]}
    assert first.keys() == second.keys()
    assert different <= {"cohort.duckdb", "SHA256SUMS", "SHA256SUMS.minisig"}


@pytest.mark.usefixtures("made")
def test_a_release_without_change_is_not_made(tmp_path: Path) -> None:
    again = release(tmp_path, make_cohort(), software_version="0.2.0")
    assert again.status is ReleaseStatus.UNCHANGED
    assert again.version == "1.0.0"
    assert sorted(path.name for path in (tmp_path / "releases").iterdir()) == ["1.0.0", "latest"]


def test_a_release_that_lost_a_volume_is_not_said_to_be_unchanged(
    made: Path, tmp_path: Path
) -> None:
    volume = next(iter(sorted(made.rglob("*.nii.gz"))))
    volume.unlink()
    with pytest.raises(BadInputError, match="1 files of the newest release are gone"):
        release(tmp_path, make_cohort())


@pytest.mark.usefixtures("made")
def test_latest_is_mended_when_a_build_was_killed_between_its_two_renames(tmp_path: Path) -> None:
    (tmp_path / "releases" / "latest").unlink()
    release(tmp_path, make_cohort())
    assert (tmp_path / "releases" / "latest").readlink() == Path("1.0.0")


@pytest.mark.parametrize(
    ("before", "after", "version"),
    [
        ({}, {"extra_subject": "S92-DDDD5555"}, "1.1.0"),
        ({}, {"age": 61.0}, "1.0.1"),
        ({"extra_subject": "S92-DDDD5555"}, {}, "2.0.0"),
    ],
    ids=["subject added", "value changed", "subject removed"],
)
def test_the_version_follows_from_what_changed(
    tmp_path: Path, before: dict[str, object], after: dict[str, object], version: str
) -> None:
    release(tmp_path, make_cohort(**before))  # type: ignore[arg-type]  # named cases
    assert release(tmp_path, make_cohort(**after)).version == version  # type: ignore[arg-type]  # named cases


@pytest.mark.usefixtures("made")
def test_a_signed_decision_is_a_patch_though_no_row_changed(tmp_path: Path) -> None:
    both = decision_register(("D01", "as asked", "PI"), ("D02", "as asked", "PI"))
    signed = release(tmp_path, make_cohort(), decisions_csv=both)
    assert signed.version == "1.0.1"
    assert signed.differences.registers_changed == ("decisions_sha256",)


def test_another_decision_is_major_and_named(tmp_path: Path) -> None:
    before = decision_register(("D05", "both exams", ""))
    after = decision_register(("D05", "one exam is enough", "PI"))
    release(tmp_path, make_cohort(), decisions_csv=before)
    decided = release(tmp_path, make_cohort(), decisions_csv=after)
    assert decided.version == "2.0.0"
    assert decided.differences.meanings_changed == ("decision D05",)
    assert decided.path is not None
    assert "meaning changed: decision D05" in (decided.path / "CHANGELOG.md").read_text()


@pytest.mark.usefixtures("made")
def test_a_bump_that_hides_a_larger_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="would hide a minor change"):
        release(tmp_path, make_cohort(extra_subject="S92-DDDD5555"), bump="patch")
    assert newest_release(tmp_path / "releases") == tmp_path / "releases" / "1.0.0"


def test_a_dry_run_computes_and_writes_nothing(tmp_path: Path) -> None:
    tables = make_cohort()
    result = build_release(
        tables,
        releases_dir=tmp_path / "releases",
        nifti_sources={},
        facts=make_facts(),
        dry_run=True,
    )
    assert (result.status, result.version, result.path) == (ReleaseStatus.DRY_RUN, "1.0.0", None)
    assert not (tmp_path / "releases").exists()


@pytest.mark.usefixtures("made")
def test_files_of_an_unchanged_site_are_shared_with_the_release_before(tmp_path: Path) -> None:
    release(tmp_path, make_cohort(extra_subject="S92-DDDD5555"))
    old, new = (tmp_path / "releases" / version for version in ("1.0.0", "1.1.0"))
    same, other = "tables/subject/S91.parquet", "tables/subject/S92.parquet"
    assert (old / same).samefile(new / same)
    assert not (old / other).samefile(new / other)


def test_damage_to_a_release_does_not_reach_the_next(made: Path, tmp_path: Path) -> None:
    volume = query(made, "SELECT min(rel_path) FROM nifti_volume")[0][0]
    files = {"tables/series/S91.parquet": 40, "excel/series.csv": 40, "cohort.duckdb": 1 << 20}
    for path, place in files.items():
        data = bytearray((made / path).read_bytes())
        data[place] ^= 1
        (made / path).write_bytes(data)
    (made / "tables/screening_log/S92.parquet").unlink()
    (made / str(volume)).unlink()
    two = release(tmp_path, make_cohort(age=61.0)).path
    assert two is not None
    assert verify_release(two) == []
    assert {f.object_id for f in verify_release(made)} >= {"cohort.duckdb", volume}


def test_a_volume_that_is_not_the_proven_one_stops_the_release(tmp_path: Path) -> None:
    tables = make_cohort()
    sources = make_sources(tmp_path / "warehouse", tables)
    for path in sources.values():
        path.write_bytes(b"another file")
    with pytest.raises(ContractError, match="not the one that was proven"):
        build_release(
            tables,
            releases_dir=tmp_path / "releases",
            nifti_sources=sources,
            facts=make_facts(),
        )
    assert list((tmp_path / "releases").iterdir()) == []


def test_a_table_that_differs_from_its_contract_stops_the_release(tmp_path: Path) -> None:
    tables = make_cohort()
    tables["subject"] = tables["subject"].drop_columns(["sex"])
    with pytest.raises(ContractError, match="table subject"):
        release(tmp_path, tables)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    tables = make_cohort()
    del tables["lesion"]
    with pytest.raises(ContractError, match="tables missing: lesion"):
        release(tmp_path, tables)


@pytest.mark.usefixtures("made")
def test_a_build_that_fails_leaves_the_releases_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_below(tmp_path / "releases")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_write, "write_database", full_disk)
    with pytest.raises(OSError, match="No space left"):
        release(tmp_path, make_cohort(age=61.0))
    assert files_below(tmp_path / "releases") == before
    assert (tmp_path / "releases" / "latest").readlink() == Path("1.0.0")


@pytest.mark.usefixtures("made")
def test_a_version_that_another_run_published_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_below(tmp_path / "releases")
    monkeypatch.setattr(store, "newest_release", lambda _: None)
    with pytest.raises(BusyError, match="1\\.0\\.0 was published by another run"):
        release(tmp_path, make_cohort(age=61.0))
    assert files_below(tmp_path / "releases") == before


@pytest.mark.usefixtures("made")
def test_sweeping_removes_what_killed_builds_left_and_nothing_else(tmp_path: Path) -> None:
    releases = tmp_path / "releases"
    (releases / ".1.0.1.0123abcd.part" / "tables").mkdir(parents=True)
    (releases / ".latest.0123abcd.part").symlink_to("1.0.1")
    (releases / ".mine.part").mkdir()
    assert sweep_staging(releases) == 2
    assert sorted(path.name for path in releases.iterdir()) == [".mine.part", "1.0.0", "latest"]


def test_the_difference_of_two_releases_names_rows_and_values(tmp_path: Path) -> None:
    one = release(tmp_path, make_cohort()).path
    other = release(tmp_path, make_cohort(age=61.0)).path
    assert one is not None
    assert other is not None
    found = diff_releases(one, other)
    assert {(c.table, c.key, c.column, c.before, c.after) for c in found.changes} == {
        ("subject", "S91-AAAA2222", "age_years", "60.0", "61.0"),
        ("subject", "S92-CCCC4444", "age_years", "60.0", "61.0"),
    }
    assert diff_releases(one, one).bump.value == "none"
    assert "subject: 2 values changed" in (other / "CHANGELOG.md").read_text()
    assert "First release." in (other / "CHANGELOG.md").read_text()
