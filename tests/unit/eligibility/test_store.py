"""`livercohort eligibility --facts`: rows with verdicts, or the file is refused by line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from schemas.errors import BadInputError
from tasks.eligibility.store import evaluate_facts_file

_DEV_CASES = Path(__file__).parents[4] / "shared" / "data" / "eligibility_cases_dev.csv"


def facts_file(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "facts.csv"
    path.write_text("case_id,criterion,inputs_json\n" + "\n".join(lines), encoding="utf-8")
    return path


def test_each_row_gets_effect_reason_and_missing_evidence(tmp_path: Path) -> None:
    path = facts_file(tmp_path, 'a,E2,"{""iq"": ""inadequate""}"', "b,E2,{}")
    first, second = evaluate_facts_file(path)
    assert (first["case_id"], first["effect"], first["missing_evidence"]) == ("a", "fail", "")
    assert second["effect"] == "undetermined"
    assert second["missing_evidence"] == "edc.image_quality.rating"


@pytest.mark.parametrize(
    "line", ["b,E2,{", "b,E2,[]", "b,E7,{}", 'b,E2,"{""iq"": ""poor""}"', "b,E2"]
)
def test_a_row_that_cannot_be_decided_refuses_the_file_by_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadInputError, match="line 3"):
        evaluate_facts_file(facts_file(tmp_path, "a,E2,{}", line))


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text("criterion\nE2\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="lacks case_id, inputs_json"):
        evaluate_facts_file(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        evaluate_facts_file(tmp_path / "none.csv")


@pytest.mark.skipif(not _DEV_CASES.is_file(), reason="no boundary cases beside the project")
def test_the_worked_boundary_cases_come_out_as_expected() -> None:
    with _DEV_CASES.open(encoding="utf-8", newline="") as stream:
        expected = {row["case_id"]: row["expected_effect"] for row in csv.DictReader(stream)}
    assert {row["case_id"]: row["effect"] for row in evaluate_facts_file(_DEV_CASES)} == expected
