"""Every suite that ships can run, says what to do in two languages, and is known to GX."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.errors import ContractError
from schemas.package_data import expectations_dir
from schemas.states import Severity
from tasks.validate.engine import import_great_expectations
from tasks.validate.frames import SQL_ONLY, columns_for_rules
from tasks.validate.store import read_suites
from tasks.validate.suites import EXPECTATIONS, Rule, Stage, parse_suite
from tests.unit.publish.cohort import CONTRACTS

SUITES = read_suites()
RULES = [
    pytest.param(rule, id=rule.meta.rule_id)
    for suite in SUITES.values()
    for rule in suite.expectations
]
GOOD = (expectations_dir() / "series.yaml").read_text(encoding="utf-8")


def parse(text: str) -> None:
    parse_suite(text, "series.yaml", columns_for_rules(CONTRACTS))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_tells_in_both_languages_who_does_what(rule: Rule) -> None:
    for text in (rule.meta.message_zh, rule.meta.fix_zh):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text)
    assert rule.meta.message_en.endswith(".")
    assert rule.meta.fix_en.endswith(".")
    assert rule.meta.reason.endswith(".")


def test_keys_of_every_table_with_a_suite_are_checked_and_block() -> None:
    for table, suite in SUITES.items():
        if table in CONTRACTS.keys() - SQL_ONLY:  # of images, CON-KEY alone says it
            key = set(CONTRACTS[table].primary_key)
            guards = [r for r in suite.expectations if set(r.columns) == key and "unique" in r.type]
            assert [r.severity for r in guards] == [Severity.BLOCKER], table


def test_every_stage_has_rules() -> None:
    for stage in Stage:
        assert any(suite.at(stage) for suite in SUITES.values())


def test_great_expectations_knows_every_expectation_we_allow() -> None:
    import_great_expectations()
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    assert set(EXPECTATIONS) <= set(list_registered_expectation_implementations())


@pytest.mark.parametrize(
    ("found", "replaced", "reason"),
    [
        ("suite: series", "suite: sequence", "no table has the name"),
        ("expect_compound_columns_to_be_unique", "expect_magic", "unknown expectation"),
        ("column: n_missing_slices", "column: n_missing", "does not exist"),
        ("keys_of: imaging_study.study_uid", "keys_of: study.uid", "does not exist"),
        ("severity: blocker", "severity: dreadful", "severity"),
        ("fix_en: 'Data manager: ", "fix_en: 'Somebody: ", "fix_en"),
        ("stage: [batch, release]", "stage: []", "stage"),
        ("rule_id: SER-KEY", "rule_id: ser key", "rule_id"),
        ("  - type:", "  - kind:", "type"),
        ("min_value: 0", "min_vale: 0", "min_vale, which is none of"),
        ("min_value: 0", "min_value: many", "are numbers"),
        ("min_value: 0", "min_value: 900", "is greater than max_value"),
        ("min_value: 0, max_value: 0", "max_value: null", "is needed"),
        ("value_set:", "values:", "lack value_set"),
    ],
)
def test_a_bad_rule_is_refused_by_file_line_and_reason(
    found: str, replaced: str, reason: str
) -> None:
    assert found in GOOD
    with pytest.raises(ContractError, match=reason) as error:
        parse(GOOD.replace(found, replaced, 1))
    assert "series.yaml" in str(error.value)
    if "suite:" not in found:
        assert re.search(r"series\.yaml:\d+", error.value.where)


def test_a_file_that_is_not_yaml_is_refused_by_line() -> None:
    with pytest.raises(ContractError, match=r"series\.yaml:2"):
        parse("suite: [\n}")


def test_one_rule_id_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "series.yaml").write_text(GOOD, encoding="utf-8")
    site = (expectations_dir() / "site.yaml").read_text(encoding="utf-8")
    (tmp_path / "site.yaml").write_text(site.replace("SIP-KEY", "SER-KEY"), encoding="utf-8")
    with pytest.raises(ContractError, match="SER-KEY stands twice"):
        read_suites(tmp_path)


@pytest.mark.parametrize("table", sorted(SQL_ONLY))
def test_an_expectation_on_images_is_refused_because_it_would_never_run(
    tmp_path: Path, table: str
) -> None:
    text = (expectations_dir() / f"{table}.yaml").read_text(encoding="utf-8")
    rule = GOOD[GOOD.index("  - type:") :].split("  - type:")[1]
    rule = rule.replace("column_list: [series_uid, sub_stack_digest]", "column_list: [sop_uid]")
    (tmp_path / f"{table}.yaml").write_text(f"{text}  - type:{rule}", encoding="utf-8")
    with pytest.raises(ContractError, match="SER-KEY is no rule in SQL"):
        read_suites(tmp_path)
