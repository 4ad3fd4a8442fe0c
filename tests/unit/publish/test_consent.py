"""A subject without consent is counted, and appears nowhere by name."""

from __future__ import annotations

import pytest

from schemas.contracts import conform
from tasks.publish.consent import released_tables
from tests.unit.publish.cohort import CONTRACTS, SUBJECTS, make_cohort

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


def test_findings_about_objects_of_others_stay() -> None:
    released = released_tables(make_cohort(), CONTRACTS)
    assert released["finding"]["finding_id"].to_pylist() == ["f1", "f3"]


def test_counts_of_the_flow_and_of_screening_stay_whole() -> None:
    tables = make_cohort()
    released = released_tables(tables, CONTRACTS)
    assert released["stard_flow"].equals(tables["stard_flow"])
    assert released["screening_log"].num_rows == tables["screening_log"].num_rows
