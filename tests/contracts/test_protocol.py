"""The protocol as data: complete, in registered order, unsigned until somebody signs."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ContractError
from schemas.finding_texts import read_finding_texts
from schemas.package_data import data_contracts_dir
from schemas.partial_dates import add_months
from schemas.protocol import (
    CRITERION_IDS,
    parse_protocol,
    read_decisions,
    read_evidence,
    read_protocol,
    read_reasons,
    read_register,
)
from schemas.tables.contracts import read_table_contracts
from tasks.eligibility.facts import _PARSERS

FOLDER = data_contracts_dir() / "protocol"


def test_the_nine_criteria_stand_in_registered_order() -> None:
    assert tuple(criterion.id for criterion in read_protocol().criteria) == CRITERION_IDS


def test_every_fact_of_a_criterion_can_be_read() -> None:
    named = {fact for criterion in read_protocol().criteria for fact in criterion.facts}
    assert named == set(_PARSERS)


def test_the_decisions_of_the_protocol_stand_in_the_register_and_none_is_signed_yet() -> None:
    decisions = read_decisions()
    ids = [decision.decision_id for decision in decisions]
    assert ids == sorted(ids)
    assert {*(f"D{n:02}" for n in range(1, 27)), "D28"} <= set(ids)
    assert not any(decision.signed for decision in decisions)
    assert all(decision.reason and decision.source for decision in decisions)


def test_the_readings_and_criteria_are_those_of_the_published_tables() -> None:
    table = read_table_contracts()["criterion_result"]
    readings = {reading.id for reading in read_protocol().readings}
    assert readings == set(table.column("reading").allowed_values or ())
    assert set(CRITERION_IDS) == set(table.column("criterion_id").allowed_values or ())


def test_the_last_days_of_the_windows_follow_from_the_end_of_the_study() -> None:
    study = read_protocol().study
    months = int(read_protocol().limit("follow_up_months"))
    window = int(read_protocol().limit("pathology_window_days"))
    assert add_months(study.last_baseline_mri_for_follow_up, months) <= study.end
    assert (study.end - study.last_baseline_mri_for_pathology).days == window


def test_every_reason_and_evidence_is_said_in_both_languages() -> None:
    assert all(reason.en and reason.zh for reason in read_reasons().values())
    assert all(item.en and item.zh for item in read_evidence().values())


def test_every_reason_given_in_the_code_is_in_the_list() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (data_contracts_dir().parent / "tasks" / "eligibility").glob("*.py")
    )
    unused = [code for code in read_reasons() if f'"{code}"' not in source]
    assert set(unused) <= {"MET", "EVIDENCE_MISSING", "DATE_NOT_PRECISE"}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("{id: I1, kind", "{id: I6, kind", "in this order"),
        ("kind: exclusion", "kind: exception", "criteria"),
        ("default_reading: literal", "default_reading: liberal", "not among the readings"),
        ("t1_max_mm: {value: 5,", "t1_max_mm: {value: five,", "limits.t1_max_mm.value"),
        ("study:", "study: [", "not YAML"),
    ],
)
def test_a_damaged_protocol_is_refused_by_file_and_place(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    text = (FOLDER / "eligibility.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "eligibility.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ContractError, match=complaint) as refusal:
        parse_protocol(path)
    assert "eligibility.yaml" in str(refusal.value)


def test_every_finding_says_in_both_languages_who_does_what() -> None:
    for text in read_finding_texts(FOLDER / "findings.yaml").values():
        assert text.fix.en.startswith(("Site:", "Data manager:"))
        assert text.fix.zh.startswith(("中心：", "数据管理员："))


def write_decisions(tmp_path: Path, old: str, new: str) -> Path:
    text = (FOLDER / "decisions.csv").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "decisions.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_a_half_signed_decision_is_refused_by_line(tmp_path: Path) -> None:
    path = write_decisions(tmp_path, ",,,,the record lists", ",PI,,,the record lists")
    with pytest.raises(ContractError, match=r"D01 is half signed.*decisions\.csv:2"):
        read_register(path)


def test_a_signed_decision_counts_as_signed(tmp_path: Path) -> None:
    path = write_decisions(
        tmp_path, ",,,,the record lists", ",PI,2026-12-01,minutes 7,the record lists"
    )
    assert read_register(path)[0].signed


def test_a_decision_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"as in line 2 in .*decisions\.csv:3"):
        read_register(write_decisions(tmp_path, "D02,", "D01,"))
