"""What one release holds, and what an analyst does with it; only read by the tests."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from tests.unit.publish.cohort import CONTRACTS
from tests.unit.publish.test_release import query


@pytest.fixture(scope="module")
def folder(published: Path) -> Path:
    """The release."""
    return published / "releases" / "1.0.0"


def test_a_release_holds_what_an_analyst_is_promised(folder: Path) -> None:
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
    assert folder.with_name("latest").readlink() == Path("1.0.0")
    assert "**Unsigned decisions of the register: 1.**" in (folder / "README.md").read_text()


def test_only_subjects_with_consent_enter_and_the_others_leave_no_trace(folder: Path) -> None:
    (gone,) = query(folder, "SELECT count(*) FROM subject WHERE consent_status='withdrawn'")
    assert gone == (0,)
    without = b"BBBB3333"
    for path in folder.rglob("*"):
        assert "BBBB3333" not in path.name
        assert not path.is_file() or without not in path.read_bytes()
    assert query(folder, "SELECT count(*), count(subject_id) FROM screening_log") == [(3, 2)]
    assert query(folder, "SELECT count(*) FROM finding") == [(2,)]


def test_volumes_are_links_to_the_warehouse_with_their_sidecars(folder: Path) -> None:
    released = pq.read_table(folder / "tables" / "nifti_volume").to_pylist()
    assert len(released) == 2
    for row in released:
        path = folder / row["rel_path"]
        assert path.samefile(folder.parents[1] / "warehouse" / f"{row['volume_id']}.nii.gz")
        assert path.with_name(path.name.replace(".nii.gz", ".json")).is_file()


def test_the_database_has_a_comment_on_every_table_view_and_column(folder: Path) -> None:
    mine = "WHERE NOT internal AND database_name = 'cohort' AND comment IS NULL"
    for catalogue in ("duckdb_tables", "duckdb_views", "duckdb_columns"):
        assert query(folder, f"SELECT * FROM {catalogue}() {mine}") == []


def test_the_database_file_has_the_storage_version_that_older_duckdb_reads(folder: Path) -> None:
    # Bytes 12-19 of a DuckDB file are its storage version; 64 is what DuckDB 1.0 wrote.
    header = (folder / "cohort.duckdb").read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") == 64


def test_the_views_answer_the_questions_they_are_named_after(folder: Path) -> None:
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
    folder: Path, view: str, ours: str
) -> None:
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


def test_the_examples_in_a_release_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(folder / "examples" / "read_cohort.py"))
    assert capsys.readouterr().out.startswith("2 eligible subjects\n")
    text = (folder / "examples" / "queries.sql").read_text()
    with duckdb.connect(str(folder / "cohort.duckdb"), read_only=True) as connection:
        for statement in duckdb.extract_statements(text):
            connection.execute(statement).fetchall()


def test_the_cells_of_the_notebook_run_in_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELEASE", str(folder))
    notebook = json.loads((folder / "examples" / "cohort.ipynb").read_text())
    code = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    known: dict[str, object] = {}
    for cell in code[:-1]:
        exec(cell, known)
    assert list(known["volumes"].rel_path) != []  # type: ignore[attr-defined]  # a pandas frame
    exec(code[-1], known)


def test_the_queries_of_the_r_example_run(folder: Path) -> None:
    text = (folder / "examples" / "read_cohort.R").read_text()
    asked = re.findall(r'dbGetQuery\(cohort, "(.*?)"\)', text, re.DOTALL)
    assert len(asked) == text.count("dbGetQuery")
    for statement in asked:
        assert query(folder, statement)


def test_the_folder_of_volumes_says_where_its_names_leave_bids(folder: Path) -> None:
    description = json.loads((folder / "nifti" / "dataset_description.json").read_text())
    assert {"Name", "BIDSVersion", "DatasetType", "License", "GeneratedBy"} <= description.keys()
    assert description["GeneratedBy"] == [{"Name": "livercohort", "Version": "0.1.0"}]
    told = (folder / "nifti" / "README.md").read_text()
    for path in (folder / "nifti").rglob("*.nii.gz"):
        _, session, kind, name = path.relative_to(folder / "nifti").parts
        assert f"`{kind}/`" in told
        assert session.removeprefix("ses-") in told
        assert all(f"`{part.split('-')[0]}-`" in told for part in name.split("_")[2:-1])


def test_every_file_name_of_a_table_is_its_site(folder: Path) -> None:
    for name, contract in CONTRACTS.items():
        stems = {path.stem for path in (folder / "tables" / name).iterdir()}
        assert stems <= ({"S91", "S92", "all"} if contract.site_column else {"all"})
        assert stems
