"""What changed between two releases: exact, with reasons, and silent about who was removed."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tasks.publish.diff.id_history import OldId, extend_history, parse_history
from tasks.publish.diff.reasons import ERASED, SUPPRESSED
from tasks.publish.store import diff_releases, removed_subjects
from tests.unit.publish.cohort import make_cohort
from tests.unit.publish.test_release import release

GONE, STAYS, NEW = "S91-AAAA2222", "S92-CCCC4444", "S92-DDDD5555"


def without_consent(tables: dict[str, pa.Table], subject_id: str) -> dict[str, pa.Table]:
    """Return the cohort after the subject withdrew."""
    subject = tables["subject"]
    theirs = pc.equal(subject["subject_id"], subject_id)
    consent = pc.if_else(theirs, "withdrawn", subject["consent_status"])
    at = subject.schema.get_field_index("consent_status")
    changed = subject.set_column(at, subject.schema.field(at), consent)
    return tables | {"subject": changed}


def injected(home: Path) -> tuple[Path, Path]:
    """Return two releases between which one subject came, one left and one grew older."""
    one = release(home, make_cohort()).path
    changed = make_cohort(extra_subject=NEW)
    at = changed["subject"].schema.get_field_index("age_years")
    is_other = pc.equal(changed["subject"]["subject_id"], STAYS)
    ages = pc.if_else(is_other, 61.0, changed["subject"]["age_years"])
    subject = changed["subject"].set_column(at, changed["subject"].schema.field(at), ages)
    other = release(home, without_consent(changed | {"subject": subject}, GONE)).path
    assert one is not None
    assert other is not None
    return one, other


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO((folder / name).read_text())))


def test_an_injected_add_remove_and_change_come_out_exactly(tmp_path: Path) -> None:
    one, other = injected(tmp_path)
    assert (one.name, other.name) == ("1.0.0", "2.0.0")
    found = diff_releases(one, other)
    assert found.subjects_added == (NEW,)
    assert found.subjects_removed == (GONE,)
    values = [c for c in found.changes if c.kind == "value_changed" and c.subject_id]
    assert [(c.table, c.key, c.column, c.before, c.after) for c in values] == [
        ("subject", STAYS, "age_years", "60.0", "61.0")
    ]
    own = {c.subject_id for c in found.changes if c.kind == "row_added"}
    assert own == {NEW, ""}
    assert {c.reason for c in found.changes if c.subject_id == NEW} == {"new_subject"}
    removed = {c.table for c in found.changes if c.kind == "row_removed" and c.subject_id}
    assert removed == {
        "subject",
        "imaging_study",
        "series",
        "instance",
        "nifti_volume",
        "criterion_result",
        "eligibility",
    }


def test_the_published_difference_counts_a_removed_subject_and_names_it_once(
    tmp_path: Path,
) -> None:
    _, other = injected(tmp_path)
    assert rows(other, "removed_ids.csv") == [
        {"subject_id": GONE, "removed_in": "2.0.0", "reason": "consent_withdrawn"}
    ]
    theirs = [b"AAAA2222", b"2.25.11,", b"2.25.21"]
    for path in [*(other / "diff").iterdir(), other / "CHANGELOG.md", other / "id_history.csv"]:
        assert not [one for one in theirs if one in path.read_bytes()], path.name
    changes = pq.read_table(other / "diff" / "changes.parquet")
    assert not {GONE, "2.25.11"} & {
        value for name in changes.column_names for value in changes[name].to_pylist()
    }
    told = json.loads((other / "diff" / "summary.json").read_text())
    assert told["subjects_removed"] == {"consent_withdrawn": 1}
    assert {
        "table": "series",
        "kind": "row_removed",
        "reason": "consent_withdrawn",
        "n": 1,
    } in told["rows"]
    text = (other / "CHANGELOG.md").read_text()
    assert "subjects removed: 1 (consent was withdrawn; see removed_ids.csv)" in text
    assert "subjects added: 1" in text


def test_a_subject_that_consents_again_is_no_longer_listed_as_removed(tmp_path: Path) -> None:
    injected(tmp_path)
    last = release(tmp_path, make_cohort(extra_subject=NEW)).path
    assert last is not None
    assert rows(last, "removed_ids.csv") == []


def test_a_subject_that_left_earlier_and_was_erased_since_is_listed_as_erased(
    tmp_path: Path,
) -> None:
    gone = "S92-DDDD5555"
    release(tmp_path, make_cohort(extra_subject=gone))
    two = release(tmp_path, make_cohort(extra_subject=gone), kept_out={gone: SUPPRESSED}).path
    assert two is not None
    assert (two / "removed_ids.csv").read_text().endswith(f"{gone},2.0.0,suppressed\n")
    assert removed_subjects(tmp_path / "releases") == [gone]
    three = release(tmp_path, make_cohort(age=61.0), kept_out={gone: ERASED}).path
    assert three is not None
    assert (three / "removed_ids.csv").read_text().endswith(f"{gone},2.0.0,erased\n")


@pytest.mark.usefixtures("made")
def test_labels_and_eligibility_have_files_of_their_own(tmp_path: Path) -> None:
    tables = make_cohort()
    for table, column, value in (
        ("series", "label", "MR_T1_PVP"),
        ("eligibility", "status", "ineligible"),
        ("criterion_result", "effect", "fail"),
    ):
        old = tables[table]
        first = pa.array([n == 0 for n in range(old.num_rows)])
        at = old.schema.get_field_index(column)
        changed = pc.if_else(first, value, old[column])
        tables[table] = old.set_column(at, old.schema.field(at), changed)
    folder = release(tmp_path, tables).path
    assert folder is not None
    (label,) = rows(folder, "diff/labels.csv")
    assert (label["subject_id"], label["before"], label["after"]) == (
        GONE,
        "MR_T1_ART",
        "MR_T1_PVP",
    )
    (moved,) = rows(folder, "diff/eligibility.csv")
    assert moved["criteria"] == "E1 pass→fail"
    assert (moved["before"], moved["after"]) == ("eligible", "ineligible")
    assert moved["reason"] == "evidence"
    text = (folder / "CHANGELOG.md").read_text()
    assert "label MR_T1_ART → MR_T1_PVP: 1 series" in text
    assert "eligibility (literal) eligible → ineligible: 1 subjects" in text


def test_the_files_of_a_difference_are_the_same_bytes_in_every_build(tmp_path: Path) -> None:
    _, one = injected(tmp_path / "a")
    _, other = injected(tmp_path / "b")
    for path in sorted((one / "diff").iterdir()):
        assert path.read_bytes() == (other / "diff" / path.name).read_bytes()


def old_id(name: str, successor: str, *, subject: str = STAYS) -> OldId:
    return OldId("series", name, subject, "1.0.0", successor, "new_delivery")


def test_an_old_id_leads_to_the_newest_through_all_corrections() -> None:
    history = [old_id("a", "b"), old_id("x", "y", subject=GONE)]
    extended = extend_history(history, [old_id("b", "c")], frozenset(), frozenset({GONE}))
    assert [(row.old_id, row.successor) for row in extended] == [("a", "c"), ("b", "c")]
    again = extend_history(extended, [], frozenset({("series", "b")}), frozenset())
    assert [row.old_id for row in again] == ["a"]


@pytest.mark.usefixtures("made")
def test_ids_of_a_series_that_grew_are_resolvable_in_the_next_release(tmp_path: Path) -> None:
    tables = make_cohort()
    for name in ("series", "nifti_volume"):
        table = tables[name]
        theirs = pc.equal(table["subject_id"], STAYS)
        for column in {"sub_stack_digest", "volume_id"} & set(table.column_names):
            at = table.schema.get_field_index(column)
            changed = pc.if_else(theirs, "f" * 16, table[column])
            table = table.set_column(at, table.schema.field(at), changed)
        tables[name] = table
    result = release(tmp_path, tables)
    assert result.path is not None
    assert result.version == "1.1.0"
    history = parse_history((result.path / "id_history.csv").read_text())
    assert {(row.table, row.successor.split("/")[-1]) for row in history} == {
        ("series", "f" * 16),
        ("nifti_volume", "f" * 16),
    }
