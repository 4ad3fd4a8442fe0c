"""What was seen and wanted is said in Chinese too, for every rule and criterion there is."""

from __future__ import annotations

import pytest

from schemas.decisions import Decision, parse_decisions
from schemas.package_data import data_contracts_dir
from schemas.protocol import read_protocol
from tasks.report.phrases import both, in_chinese
from tasks.validate.report import expected_of
from tasks.validate.store import read_suites

_EXPECTED = sorted(
    {
        (expected_of(rule), table, rule.columns[0] if rule.columns else "")
        for table, suite in read_suites().items()
        for rule in suite.expectations
    }
)


_DECISIONS = parse_decisions((data_contracts_dir() / "protocol" / "decisions.csv").read_bytes())


@pytest.mark.parametrize(("text", "table", "column"), _EXPECTED)
def test_what_a_rule_expects_has_a_chinese_text(text: str, table: str, column: str) -> None:
    assert in_chinese(text, table, column) is not None


@pytest.mark.parametrize("threshold", [one.threshold for one in read_protocol().criteria])
def test_what_a_criterion_wants_has_a_chinese_text(threshold: str) -> None:
    assert in_chinese(threshold) not in (None, threshold)


@pytest.mark.parametrize("decision", _DECISIONS, ids=lambda one: one.decision_id)
def test_a_decision_is_asked_in_chinese_too(decision: Decision) -> None:
    assert in_chinese(decision.question) not in (None, decision.question)
    assert in_chinese(decision.option_chosen) not in (None, decision.option_chosen)


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("16 days", "16 天"),
        ("no such row", "无此行"),
        ("12 and 13", "12 与 13"),
        ("dce - CT -4 days; eob not done; 1.494 T", "DCE − CT -4 天；未做 EOB；1.494 T"),
        ("T1 at most 3 mm; T2 at least 6 mm", "T1 最厚 3 mm；T2 最薄 6 mm"),
        ("follow-up - MRI not known to the day", "随访 − MRI：日期不精确到日"),
        ("benign/followup", "良性 / 随访"),
        ("art>del, art>pvp", "动脉期先于延迟期、动脉期先于门静脉期"),
        ("6.00", "6.00"),
        ("MR_T1_ART, MR_T1_PVP", "MR_T1_ART、MR_T1_PVP"),
    ],
)
def test_what_was_seen_is_put_together_from_phrases(text: str, chinese: str) -> None:
    assert in_chinese(text) == chinese


def test_a_code_is_called_by_its_label_in_the_column_it_stands_in() -> None:
    assert in_chinese("imaging", "lesion", "reference_route") == "仅影像，不被接受"


def test_a_text_that_nobody_put_into_chinese_stays_as_it_is() -> None:
    assert in_chinese("something quite new") is None
    assert both("something quite new") == ("something quite new", "something quite new")
