"""A subject without consent is counted, and appears nowhere by name."""

from __future__ import annotations

import datetime as dt

import pytest

from schemas.clinical_rows import ClinicalRow
from schemas.identifiers import BatchId, Sha256, SiteCode, SubjectId, SubjectNo
from schemas.tables.contracts import conform
from tasks.publish.consent import released_tables, withdrawn_rows
from tests.unit.publish.cohort import CONTRACTS, SUBJECTS, make_cohort, make_row, make_table

GONE = "S91-BBBB3333"


@pytest.mark.parametrize("consent", ["withdrawn", "unknown"])
def test_no_table_names_a_subject_without_consent(consent: str) -> None:
    tables = make_cohort()
    rows = [
        row | {"consent_status": consent if row["subject_id"] == GONE else row["consent_status"]}
        for row in tables["subject"].to_pylist()
    ]
    tables["subject"] = conform(CONTRACTS["subject"], rows)
    released = released_tables(tables, CONTRACTS)
    for name, table in released.items():
        assert GONE not in str(table.to_pylist()), name
        assert table.schema.equals(CONTRACTS[name].arrow_schema())


def test_images_of_a_subject_without_a_demographics_row_are_left_out() -> None:
    tables = make_cohort()
    first = next(iter(SUBJECTS))
    rows = [row for row in tables["subject"].to_pylist() if row["subject_id"] != first]
    tables["subject"] = conform(CONTRACTS["subject"], rows)
    released = released_tables(tables, CONTRACTS)
    assert first not in str([table.to_pylist() for table in released.values()])


def test_a_finding_about_files_of_a_person_without_a_row_is_left_out() -> None:
    tables = make_cohort()
    rows = tables["finding"].to_pylist()
    inside, unknown = next(iter(SUBJECTS)), "S91-ZZZZ7777"
    added = [
        rows[0] | {"finding_id": f"x{n}", "object_id": f"{who}/2.25.9"}
        for n, who in enumerate((inside, unknown))
    ]
    tables["finding"] = conform(CONTRACTS["finding"], [*rows, *added])
    kept = released_tables(tables, CONTRACTS)["finding"]["finding_id"].to_pylist()
    assert "x0" in kept
    assert "x1" not in kept


def test_findings_about_objects_of_others_stay() -> None:
    released = released_tables(make_cohort(), CONTRACTS)
    assert released["finding"]["finding_id"].to_pylist() == ["f1", "f3"]


def test_numbers_and_batches_of_somebody_who_left_take_no_findings_of_others_with_them() -> None:
    tables = make_cohort()
    image = tables["instance"].to_pylist()[0]
    batch = image["batch_id"]
    left = make_row("inspection", subject_id=GONE, batch_id=batch)
    tables["inspection"] = make_table("inspection", [left])
    ids = {"image": f"{image['series_uid']}/{image['sub_stack_digest']}/1", "batch": batch}
    rows = tables["finding"].to_pylist()
    about = [rows[0] | {"object_id": one, "finding_id": name} for name, one in ids.items()]
    tables["finding"] = conform(CONTRACTS["finding"], [*rows, *about])
    gone = {row["subject_id"]: row["slice_no"] for row in tables["instance"].to_pylist()}
    assert image["subject_id"] != GONE
    assert GONE in gone
    kept = released_tables(tables, CONTRACTS)["finding"]["finding_id"].to_pylist()
    assert {"image", "batch"} <= set(kept)


def test_counts_of_the_flow_and_of_screening_stay_whole() -> None:
    tables = make_cohort()
    released = released_tables(tables, CONTRACTS)
    assert released["stard_flow"].equals(tables["stard_flow"])
    assert released["screening_log"].num_rows == tables["screening_log"].num_rows


def test_a_subject_kept_out_leaves_with_all_its_rows_though_it_consented() -> None:
    tables = released_tables(make_cohort(), CONTRACTS, ["S91-AAAA2222"])
    assert tables["subject"]["subject_id"].to_pylist() == ["S92-CCCC4444"]
    assert set(tables["instance"]["subject_id"].to_pylist()) == {"S92-CCCC4444"}
    assert tables["screening_log"].num_rows == 3


def test_the_form_of_a_withdrawn_subject_says_withdrawn_to_the_flow() -> None:
    def form(subject: str, **values: str) -> ClinicalRow:
        return ClinicalRow(
            form="demographics",
            site=SiteCode("S91"),
            subject_no=SubjectNo("1"),
            subject_id=SubjectId(subject),
            enrolled=True,
            shift_days=400,
            key=("1",),
            values=values,
            export_as_of=dt.date(2026, 11, 20),
            batch_id=BatchId("b"),
            source_sha256=Sha256("a" * 64),
            content_digest=Sha256("a" * 64),
        )

    said = [("A", "consented"), ("B", "waived")]
    rows = [form("A", sex="F"), *(form(who, consent_status=what) for who, what in said)]
    changed = withdrawn_rows(rows, {"A"})
    assert [dict(row.values) for row in changed] == [
        {"sex": "F"},
        {"consent_status": "withdrawn"},
        {"consent_status": "waived"},
    ]
