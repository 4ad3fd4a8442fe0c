"""A release: whole or not there, never overwritten, the same bytes for the same inputs."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import BadInputError, BusyError, ContractError
from schemas.vault.keys import KeyRing
from tasks.publish import store, store_write
from tasks.publish.facts import ReleaseResult, ReleaseStatus
from tasks.publish.signature import Signer
from tasks.publish.store import build_release, diff_releases, newest_release, sweep_staging
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import (
    CONTRACTS,
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


def test_a_release_holds_what_an_analyst_is_promised(tmp_path: Path) -> None:
    release(tmp_path, make_cohort())
    folder = tmp_path / "releases" / "latest"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "CHANGELOG.md",
        "CITATION.cff",
        "README.md",
        "SHA256SUMS",
        "SHA256SUMS.minisig",
        "cohort.duckdb",
        "croissant.json",
        "data_dictionary.csv",
        "data_dictionary.html",
        "data_dictionary.xlsx",
        "datacite.json",
        "datapackage.json",
        "decisions.csv",
        "diff",
        "examples",
        "excel",
        "id_history.csv",
        "livercohort.pub",
        "manifest.json",
        "nifti",
        "protocols.md",
        "removed_ids.csv",
        "ro-crate-metadata.json",
        "shared_counts.csv",
        "tables",
        "validation.json",
        "conformity.csv",
        "CONFORMITY.md",
    }
    assert json.loads((folder / "validation.json").read_bytes())["success"] is True
    assert (tmp_path / "releases" / "latest").readlink() == Path("1.0.0")
    assert "**Unsigned decisions of the register: 1.**" in (folder / "README.md").read_text()


def test_only_subjects_with_consent_enter_and_the_others_leave_no_trace(tmp_path: Path) -> None:
    result = release(tmp_path, make_cohort())
    assert result.path is not None
    (gone,) = query(result.path, "SELECT count(*) FROM subject WHERE consent_status='withdrawn'")
    assert gone == (0,)
    without = b"BBBB3333"
    for path in result.path.rglob("*"):
        assert "BBBB3333" not in path.name
        assert not path.is_file() or without not in path.read_bytes()
    assert query(result.path, "SELECT count(*), count(subject_id) FROM screening_log") == [(3, 2)]
    assert query(result.path, "SELECT count(*) FROM finding") == [(2,)]


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


def test_a_release_without_change_is_not_made(tmp_path: Path) -> None:
    release(tmp_path, make_cohort())
    again = release(tmp_path, make_cohort(), software_version="0.2.0")
    assert again.status is ReleaseStatus.UNCHANGED
    assert again.version == "1.0.0"
    assert sorted(path.name for path in (tmp_path / "releases").iterdir()) == ["1.0.0", "latest"]


def test_a_release_that_lost_a_volume_is_not_said_to_be_unchanged(tmp_path: Path) -> None:
    first = release(tmp_path, make_cohort()).path
    assert first is not None
    volume = next(iter(sorted(first.rglob("*.nii.gz"))))
    volume.unlink()
    with pytest.raises(BadInputError, match="1 files of the newest release are gone"):
        release(tmp_path, make_cohort())


def test_latest_is_mended_when_a_build_was_killed_between_its_two_renames(tmp_path: Path) -> None:
    release(tmp_path, make_cohort())
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


def test_a_signed_decision_is_a_patch_though_no_row_changed(tmp_path: Path) -> None:
    release(tmp_path, make_cohort())
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


def test_a_bump_that_hides_a_larger_change_is_refused(tmp_path: Path) -> None:
    release(tmp_path, make_cohort())
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


def test_files_of_an_unchanged_site_are_shared_with_the_release_before(tmp_path: Path) -> None:
    release(tmp_path, make_cohort())
    release(tmp_path, make_cohort(extra_subject="S92-DDDD5555"))
    old, new = (tmp_path / "releases" / version for version in ("1.0.0", "1.1.0"))
    same, other = "tables/subject/S91.parquet", "tables/subject/S92.parquet"
    assert (old / same).samefile(new / same)
    assert not (old / other).samefile(new / other)


def test_damage_to_a_release_does_not_reach_the_next(tmp_path: Path) -> None:
    one = release(tmp_path, make_cohort()).path
    assert one is not None
    volume = query(one, "SELECT min(rel_path) FROM nifti_volume")[0][0]
    files = {"tables/series/S91.parquet": 40, "excel/series.csv": 40, "cohort.duckdb": 1 << 20}
    for path, place in files.items():
        data = bytearray((one / path).read_bytes())
        data[place] ^= 1
        (one / path).write_bytes(data)
    (one / "tables/screening_log/S92.parquet").unlink()
    (one / str(volume)).unlink()
    two = release(tmp_path, make_cohort(age=61.0)).path
    assert two is not None
    assert verify_release(two) == []
    assert {f.object_id for f in verify_release(one)} >= {"cohort.duckdb", volume}


def test_volumes_are_links_to_the_warehouse_with_their_sidecars(tmp_path: Path) -> None:
    tables = make_cohort()
    result = release(tmp_path, tables)
    assert result.path is not None
    released = pq.read_table(result.path / "tables" / "nifti_volume").to_pylist()
    assert len(released) == 2
    for row in released:
        path = result.path / row["rel_path"]
        assert path.samefile(tmp_path / "warehouse" / f"{row['volume_id']}.nii.gz")
        assert path.with_name(path.name.replace(".nii.gz", ".json")).is_file()


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


def test_a_build_that_fails_leaves_the_releases_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(tmp_path, make_cohort())
    before = files_below(tmp_path / "releases")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_write, "write_database", full_disk)
    with pytest.raises(OSError, match="No space left"):
        release(tmp_path, make_cohort(age=61.0))
    assert files_below(tmp_path / "releases") == before
    assert (tmp_path / "releases" / "latest").readlink() == Path("1.0.0")


def test_a_version_that_another_run_published_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(tmp_path, make_cohort())
    before = files_below(tmp_path / "releases")
    monkeypatch.setattr(store, "newest_release", lambda _: None)
    with pytest.raises(BusyError, match="1\\.0\\.0 was published by another run"):
        release(tmp_path, make_cohort(age=61.0))
    assert files_below(tmp_path / "releases") == before


def test_sweeping_removes_what_killed_builds_left_and_nothing_else(tmp_path: Path) -> None:
    release(tmp_path, make_cohort())
    releases = tmp_path / "releases"
    (releases / ".1.0.1.0123abcd.part" / "tables").mkdir(parents=True)
    (releases / ".latest.0123abcd.part").symlink_to("1.0.1")
    (releases / ".mine.part").mkdir()
    assert sweep_staging(releases) == 2
    assert sorted(path.name for path in releases.iterdir()) == [".mine.part", "1.0.0", "latest"]


def test_the_database_has_a_comment_on_every_table_view_and_column(tmp_path: Path) -> None:
    folder = release(tmp_path, make_cohort()).path
    assert folder is not None
    mine = "WHERE NOT internal AND database_name = 'cohort' AND comment IS NULL"
    for catalogue in ("duckdb_tables", "duckdb_views", "duckdb_columns"):
        assert query(folder, f"SELECT * FROM {catalogue}() {mine}") == []


def test_the_database_file_has_the_storage_version_that_older_duckdb_reads(tmp_path: Path) -> None:
    folder = release(tmp_path, make_cohort()).path
    assert folder is not None
    # Bytes 12-19 of a DuckDB file are its storage version; 64 is what DuckDB 1.0 wrote.
    header = (folder / "cohort.duckdb").read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") == 64


def test_the_views_answer_the_questions_they_are_named_after(tmp_path: Path) -> None:
    folder = release(tmp_path, make_cohort()).path
    assert folder is not None
    assert query(folder, "SELECT count(*) FROM analysis_set") == [(2,)]
    wide = query(folder, 'SELECT subject_id, "MR_T1_ART", "CT_PVP" FROM series_wide')
    assert [row[0] for row in wide] == ["S91-AAAA2222", "S92-CCCC4444"]
    assert all((folder / str(row[1])).is_file() and row[2] is None for row in wide)
    assert query(
        folder, 'SELECT DISTINCT "I1", "E4", missing_evidence FROM eligibility_matrix'
    ) == [("pass", "pass", [])]
    assert query(folder, "SELECT count(*) FROM thickness_check") == [(2,)]
    assert query(folder, "SELECT count(*) FROM omop_image_occurrence") == [(2,)]


OMOP_DDL = """CREATE TABLE image_occurrence (
  image_occurrence_id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL,
  procedure_occurrence_id INTEGER NOT NULL, visit_occurrence_id INTEGER,
  anatomic_site_concept_id INTEGER, wadors_uri VARCHAR, local_path VARCHAR NOT NULL,
  image_occurrence_date DATE NOT NULL, image_study_uid VARCHAR NOT NULL,
  image_series_uid VARCHAR NOT NULL, modality_concept_id INTEGER NOT NULL)"""


@pytest.mark.parametrize(
    ("view", "ours"),
    [
        ("omop_image_occurrence", "DISTINCT study_uid, modality"),
        ("omop_image_series", "DISTINCT series_uid"),
    ],
)
def test_the_omop_views_load_into_the_published_table_and_count_what_ours_do(
    tmp_path: Path, view: str, ours: str
) -> None:
    folder = release(tmp_path, make_cohort()).path
    assert folder is not None
    wanted = query(folder, f"SELECT count(*) FROM (SELECT {ours} FROM series)")[0][0]
    columns = [line.split()[0] for line in OMOP_DDL.partition("(")[2].split(",")]
    rows = query(folder, f"SELECT {', '.join(columns)} FROM {view}")
    with duckdb.connect() as cdm:
        cdm.execute(OMOP_DDL)
        cdm.executemany(f"INSERT INTO image_occurrence VALUES ({','.join('?' * 11)})", rows)
        [(n, people, concepts)] = cdm.execute(
            "SELECT count(*), count(DISTINCT person_id), list(DISTINCT modality_concept_id) "
            "FROM image_occurrence"
        ).fetchall()
    assert n == wanted == len(rows) > 0
    assert people == 2
    assert set(concepts) <= {4300757, 4013636}
    assert query(folder, f"SELECT sum(n_series) FROM {view}") == query(
        folder, "SELECT count(DISTINCT series_uid) FROM series"
    )


def test_the_examples_in_a_release_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = release(tmp_path, make_cohort()).path
    assert folder is not None
    runpy.run_path(str(folder / "examples" / "read_cohort.py"))
    assert capsys.readouterr().out.startswith("2 eligible subjects\n")
    text = (folder / "examples" / "queries.sql").read_text()
    with duckdb.connect(str(folder / "cohort.duckdb"), read_only=True) as connection:
        for statement in duckdb.extract_statements(text):
            connection.execute(statement).fetchall()


def test_the_cells_of_the_notebook_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = release(tmp_path, make_cohort()).path
    assert folder is not None
    monkeypatch.setenv("RELEASE", str(folder))
    notebook = json.loads((folder / "examples" / "cohort.ipynb").read_text())
    code = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    known: dict[str, object] = {}
    for cell in code[:-1]:
        exec(cell, known)
    assert list(known["volumes"].rel_path) != []  # type: ignore[attr-defined]  # a pandas frame
    exec(code[-1], known)


def test_the_queries_of_the_r_example_run(tmp_path: Path) -> None:
    folder = release(tmp_path, make_cohort()).path
    assert folder is not None
    text = (folder / "examples" / "read_cohort.R").read_text()
    asked = re.findall(r'dbGetQuery\(cohort, "(.*?)"\)', text, re.DOTALL)
    assert len(asked) == text.count("dbGetQuery")
    for statement in asked:
        assert query(folder, statement)


def test_the_folder_of_volumes_says_where_its_names_leave_bids(tmp_path: Path) -> None:
    folder = release(tmp_path, make_cohort()).path
    assert folder is not None
    description = json.loads((folder / "nifti" / "dataset_description.json").read_text())
    assert {"Name", "BIDSVersion", "DatasetType", "License", "GeneratedBy"} <= description.keys()
    assert description["GeneratedBy"] == [{"Name": "livercohort", "Version": "0.1.0"}]
    told = (folder / "nifti" / "README.md").read_text()
    for path in (folder / "nifti").rglob("*.nii.gz"):
        _, session, kind, name = path.relative_to(folder / "nifti").parts
        assert f"`{kind}/`" in told
        assert session.removeprefix("ses-") in told
        assert all(f"`{part.split('-')[0]}-`" in told for part in name.split("_")[2:-1])


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


def test_every_file_name_of_a_table_is_its_site(tmp_path: Path) -> None:
    folder = release(tmp_path, make_cohort()).path
    assert folder is not None
    for name, contract in CONTRACTS.items():
        stems = {path.stem for path in (folder / "tables" / name).iterdir()}
        assert stems <= ({"S91", "S92", "all"} if contract.site_column else {"all"})
        assert stems
