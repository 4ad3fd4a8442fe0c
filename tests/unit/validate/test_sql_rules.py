"""Every rule in SQL finds its fault at its row, and a statement that cannot run is no pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.errors import ContractError
from schemas.package_data import expectations_dir
from schemas.tables.contracts import conform
from schemas.tables.record_tables import table_from_records
from tasks.validate.frames import INSTANCE_FEATURES, INSTANCE_KEY, key_columns
from tasks.validate.store import read_suites
from tasks.validate.store_sql import run_sql_rules
from tasks.validate.suites import Rule
from tests.unit.publish.cohort import CONTRACTS, make_cohort, make_row
from tests.unit.validate.sql_faults import (
    FAULTS,
    IMAGE,
    IMAGE_FAULTS,
    OTHER,
    STUDY,
    Tables,
    study,
    timed,
)

SUITES = read_suites()
RULES = {
    rule.meta.rule_id: (table, rule)
    for table, suite in SUITES.items()
    for rule in suite.expectations
    if rule.sql
}


def failing(rule_id: str, tables: Mapping[str, pa.Table]) -> set[str]:
    table, rule = RULES[rule_id]
    (outcome,) = run_sql_rules({table: [rule]}, tables, {table: key_columns(table, CONTRACTS)})
    assert outcome.ran
    assert outcome.success == (not outcome.failing)
    return {"/".join(row.key).removesuffix("/None") for row in outcome.failing}


def empty() -> Tables:
    tables = {name: c.arrow_schema().empty_table() for name, c in CONTRACTS.items()}
    sites = pa.table({"site_code": pa.array(["S91"]), "n_series": pa.array([1])})
    return tables | {"site_summary": sites, INSTANCE_FEATURES: images([])}


def images(listed: list[InstanceFeatures]) -> pa.Table:
    return table_from_records(listed, InstanceFeatures, key=INSTANCE_KEY)


def test_every_rule_in_sql_has_a_fault_here() -> None:
    assert RULES.keys() == FAULTS.keys() | IMAGE_FAULTS.keys()


@pytest.mark.parametrize("rule_id", FAULTS)
def test_a_rule_names_every_row_at_fault_and_no_other(rule_id: str) -> None:
    changed, expected = FAULTS[rule_id]
    tables = {name: conform(CONTRACTS[name], rows) for name, rows in changed.items()}
    assert failing(rule_id, empty() | tables) == expected
    assert failing(rule_id, empty()) == set()


def test_a_multi_frame_object_may_hold_several_stacks_of_its_study() -> None:
    rows = {
        "imaging_study": [make_row("imaging_study", study_uid=STUDY, n_instances=1)],
        "series": [timed("a", "art", 1), timed("b", "pvp", 1)],
    }
    tables = {name: conform(CONTRACTS[name], listed) for name, listed in rows.items()}
    assert failing("STU-IMAGE-COUNT", empty() | tables) == set()


@pytest.mark.parametrize("rule_id", IMAGE_FAULTS)
def test_a_rule_on_images_names_every_image_at_fault(rule_id: str) -> None:
    listed, expected = IMAGE_FAULTS[rule_id]
    tables = make_cohort()
    assert failing(rule_id, tables | {INSTANCE_FEATURES: images(listed)}) == expected
    assert failing(rule_id, tables | {INSTANCE_FEATURES: images([IMAGE, OTHER])}) == set()


def test_a_statement_that_raises_or_lacks_a_table_did_not_run() -> None:
    table, rule = RULES["STU-SERIES-COUNT"]
    wrong = rule.model_copy(update={"kwargs": {**rule.kwargs, "sql": "SELECT 1 / 'a'"}})
    for broken, tables in (
        (wrong, empty()),
        (rule, {"imaging_study": CONTRACTS["imaging_study"].arrow_schema().empty_table()}),
    ):
        keys = {table: CONTRACTS[table].primary_key}
        (outcome,) = run_sql_rules({table: [broken]}, tables, keys)
        assert not outcome.ran
        assert not outcome.success


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT volume_id, nothing AS observed FROM nifti_volume", "nothing"),
        ("SELECT volume_id FROM nifti_volume", "returns volume_id"),
        ("SELECT volume_id, 1 AS observed FROM no_table", "no_table"),
        ("SELECT content AS volume_id, 1 AS observed FROM read_text('/etc/hostname')", "disabled"),
        ("COPY nifti_volume TO 'x.csv'", "syntax error"),
    ],
    ids=["column", "no observed", "table", "file", "no query"],
)
def test_a_bad_statement_is_refused_when_the_suite_is_read(
    sql: str, reason: str, tmp_path: Path
) -> None:
    rule = _rule_text(sql)
    (tmp_path / "nifti_volume.yaml").write_text(f"suite: nifti_volume\nexpectations:\n{rule}")
    with pytest.raises(ContractError, match=reason) as error:
        read_suites(tmp_path)
    assert "nifti_volume.yaml, rule VOL-X" in str(error.value)


def test_a_question_about_thickness_names_every_thick_series_of_the_exam() -> None:
    thick = [
        timed(uid, "art", 1) | {"label": label, "thickness_verdict": "not_met"}
        for uid, label in (("a", "MR_T1_ART"), ("b", "MR_T2_FS"))
    ]
    thick[0]["slice_thickness_mm"], thick[1]["slice_thickness_mm"] = 6.0, 9.5
    rows = {"series": thick, "imaging_study": [study("S91") | {"study_uid": STUDY}]}
    table, rule = RULES["STU-THICKNESS"]
    tables = {name: conform(CONTRACTS[name], listed) for name, listed in rows.items()}
    (outcome,) = run_sql_rules({table: [rule]}, tables, {table: CONTRACTS[table].primary_key})
    assert [row.value for row in outcome.failing] == ["MR_T1_ART 6 mm, MR_T2_FS 9.5 mm"]


def test_the_example_of_the_manual_is_a_rule_that_loads(tmp_path: Path) -> None:
    manual = expectations_dir().parent / "docs" / "rules_and_queries.md"
    example = manual.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    suite = (expectations_dir() / "series.yaml").read_text(encoding="utf-8")
    (tmp_path / "series.yaml").write_text(suite + example, encoding="utf-8")
    rules: list[Rule] = list(read_suites(tmp_path)["series"].expectations)
    assert len(rules) == len(SUITES["series"].expectations) + example.count("rule_id")


def _rule_text(sql: str) -> str:
    return (
        "  - type: violations_of_sql\n"
        f'    kwargs: {{column: volume_id, expected: none, sql: "{sql}"}}\n'
        "    severity: minor\n"
        "    meta:\n"
        "      rule_id: VOL-X\n"
        "      stage: [batch]\n"
        "      message_en: A.\n"
        "      message_zh: 甲。\n"
        "      fix_en: 'QC reviewer: look.'\n"
        "      fix_zh: 质控审阅者：看。\n"
        "      reason: R.\n"
    )
