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
    "line",
    [
        *("b,E2,{", "b,E2,[]", "b,E7,{}", 'b,E2,"{""iq"": ""poor""}"', "b,E2"),
        "b,E2,{},more",
        "b,E2," + "[" * 100_000,
        "b,E2," + "9" * 5_000,
    ],
    ids=lambda line: line[:14],
)
def test_a_row_that_cannot_be_decided_refuses_the_file_by_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadInputError, match="line 3"):
        evaluate_facts_file(facts_file(tmp_path, "a,E2,{}", line))


@pytest.mark.parametrize("cell", ["x" * 140_000, '"never closed'], ids=["long", "open"])
def test_a_file_that_is_no_csv_is_refused_after_the_last_good_line(
    tmp_path: Path, cell: str
) -> None:
    with pytest.raises(BadInputError, match="no CSV table in the lines after 2"):
        evaluate_facts_file(facts_file(tmp_path, "a,E2,{}", f"b,E2,{cell}"))


def test_a_file_without_the_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text("criterion\nE2\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="lacks case_id, inputs_json"):
        evaluate_facts_file(path)


def test_columns_may_stand_in_any_order_beside_others(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    text = '\ufeffinputs_json,note,criterion,case_id\n"{""iq"": ""limited""}",x, E2 ,a\n'
    path.write_text(text, encoding="utf-8")
    (row,) = evaluate_facts_file(path)
    assert (row["case_id"], row["effect"], row["note"]) == ("a", "pass", "x")


@pytest.mark.parametrize(
    "facts",
    ["", " ", "{}", '{"iq": null}', '{"iq": ""}', '{"iq": "UK"}', '{"iq": "NA"}', '{"iq": "ND"}'],
)
def test_a_blank_fact_is_a_fact_not_recorded(tmp_path: Path, facts: str) -> None:
    path = tmp_path / "facts.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["case_id", "criterion", "inputs_json"], ["a", "E2", facts]])
    (row,) = evaluate_facts_file(path)
    assert (row["effect"], row["missing_evidence"]) == ("undetermined", "edc.image_quality.rating")


def test_facts_of_other_criteria_are_passed_over_and_unknown_ones_refused(tmp_path: Path) -> None:
    known = 'a,E2,"{""iq"": ""adequate"", ""birth"": ""1966""}"'
    assert evaluate_facts_file(facts_file(tmp_path, known))[0]["effect"] == "pass"
    with pytest.raises(BadInputError, match="no such fact"):
        evaluate_facts_file(facts_file(tmp_path, 'a,E2,"{""qi"": ""adequate""}"'))


def test_not_done_confirms_an_absence_where_there_can_be_one(tmp_path: Path) -> None:
    line = 'a,I4,"{""dce"": ""ND"", ""ct"": ""2025-03-01""}"'
    assert evaluate_facts_file(facts_file(tmp_path, line))[0]["reason_code"] == "MRI_NOT_DONE"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        evaluate_facts_file(tmp_path / "none.csv")


@pytest.mark.skipif(not _DEV_CASES.is_file(), reason="no boundary cases beside the project")
def test_the_worked_boundary_cases_come_out_as_expected() -> None:
    with _DEV_CASES.open(encoding="utf-8", newline="") as stream:
        expected = {row["case_id"]: row["expected_effect"] for row in csv.DictReader(stream)}
    assert {row["case_id"]: row["effect"] for row in evaluate_facts_file(_DEV_CASES)} == expected
