"""Validation: every failing row is a finding, a blocker shuts the gate, nothing passes unseen."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pytest

from schemas.errors import GateBlockedError
from schemas.records import Finding
from schemas.states import Severity
from schemas.tables.contracts import conform
from tasks.validate.report import ValidationReport, expected_of
from tasks.validate.store import read_suites, require_passed, validate_tables
from tasks.validate.suites import Stage
from tests.unit.publish.cohort import CONTRACTS, SUBJECTS, digest_of, make_cohort

FIRST = next(iter(SUBJECTS))
SUITES = read_suites()


def tables() -> dict[str, pa.Table]:
    """Return a clean cohort: every subject consented."""
    made = {name: table for name, table in make_cohort().items() if name != "finding"}
    made["subject"] = changed(made, "subject", {"consent_status": "consented"})
    return made


def changed(
    made: dict[str, pa.Table], name: str, values: dict[str, object], row: int | None = None
) -> pa.Table:
    rows = made[name].to_pylist()
    for number, item in enumerate(rows):
        if row is None or number == row:
            item.update(values)
    return conform(CONTRACTS[name], rows)


def found(report: ValidationReport, rule_id: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule_id == rule_id]


@pytest.fixture(scope="module")
def clean() -> ValidationReport:
    return validate_tables(tables(), Stage.RELEASE)


def test_a_clean_cohort_has_no_blocker_or_major_finding_and_every_rule_ran(
    clean: ValidationReport,
) -> None:
    # This small cohort has one series each and no lesions: two rules say so, and no other.
    assert {f.rule_id for f in clean.findings} == {"STU-PHASES", "SUB-LESION"}
    assert not clean.blocked
    results = clean.gx_json["results"]
    assert isinstance(results, list)
    assert all(item["ran"] for item in results)
    rules = sum(len(suite.at(Stage.RELEASE)) for suite in SUITES.values())
    assert len(results) == rules
    require_passed(clean.findings)


@pytest.mark.parametrize(
    ("table", "values", "rule_id", "severity", "object_id", "observed"),
    [
        (
            "series",
            {"n_missing_slices": 2},
            "SER-MISSING-SLICES",
            Severity.MAJOR,
            f"2.25.21/{digest_of(FIRST)}",
            "2",
        ),
        (
            "series",
            {"label": "UNCLASSIFIED"},
            "SER-UNCLASSIFIED",
            Severity.MINOR,
            f"2.25.21/{digest_of(FIRST)}",
            "no",
        ),
        (
            "imaging_study",
            {"field_strength_t": 1.0},
            "STU-FIELD",
            Severity.MAJOR,
            "2.25.11",
            "1",
        ),
        ("subject", {"age_years": None}, "SUB-AGE-MISSING", Severity.MINOR, FIRST, "missing"),
        ("subject", {"age_years": 95.0}, "SUB-AGE-RANGE", Severity.MAJOR, FIRST, "95"),
        (
            "subject",
            {"consent_status": "unknown"},
            "SUB-CONSENT",
            Severity.MAJOR,
            FIRST,
            "unknown",
        ),
        (
            "eligibility",
            {"n_criteria": 8},
            "ELI-NINE",
            Severity.BLOCKER,
            f"{FIRST}/literal",
            "8",
        ),
        (
            "nifti_volume",
            {"round_trip_ok": False},
            "VOL-PROOF",
            Severity.BLOCKER,
            min(map(digest_of, SUBJECTS)),
            "no",
        ),
        ("ingest_batch", {"n_files": 3}, "BAT-SUM", Severity.BLOCKER, "b-S91", "2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_is_found_by_its_rule_at_its_row(
    table: str,
    values: dict[str, object],
    rule_id: str,
    severity: Severity,
    object_id: str,
    observed: str,
) -> None:
    made = tables()
    made[table] = changed(made, table, values, row=0)
    report = validate_tables(made, Stage.RELEASE, suites={table: SUITES[table]})
    (finding,) = found(report, rule_id)
    assert (finding.object_type, finding.object_id) == (table, object_id)
    assert (finding.severity, finding.observed) == (severity, observed)
    assert finding.site_code in {"S91", "S92"}
    assert report.blocked == (severity is Severity.BLOCKER)


def test_a_series_without_a_volume_is_found() -> None:
    made = tables()
    made["nifti_volume"] = made["nifti_volume"].slice(0, 2)
    assert len(found(validate_tables(made, Stage.RELEASE), "SER-VOLUME")) == 1


def test_images_of_a_subject_without_demographics_are_found_with_the_site_to_ask() -> None:
    made = tables()
    made["subject"] = made["subject"].slice(1)
    (finding,) = found(validate_tables(made, Stage.RELEASE), "STU-SUBJECT")
    assert (finding.site_code, finding.column_name) == ("S91", "subject_id")
    assert (finding.observed, finding.expected) == ("no such row", "a row of subject")
    assert finding.fix_en.startswith("Site coordinator: ")


def test_the_share_of_unclassified_series_is_a_finding_about_the_site() -> None:
    made = tables()
    made["series"] = changed(made, "series", {"label": "UNCLASSIFIED"}, row=2)
    (finding,) = found(validate_tables(made, Stage.RELEASE), "SIT-UNCLASSIFIED")
    assert (finding.object_id, finding.site_code, finding.observed) == ("S92", "S92", "1")


def test_all_failing_rows_are_named_not_only_some() -> None:
    made = tables()
    row = made["subject"].to_pylist()[0]
    many = [row | {"subject_id": f"S91-{number:08d}", "age_years": None} for number in range(500)]
    made["subject"] = conform(CONTRACTS["subject"], many)
    report = validate_tables(made, Stage.RELEASE, suites={"subject": SUITES["subject"]})
    assert len(found(report, "SUB-AGE-MISSING")) == 500


def test_the_same_problem_has_the_same_id_the_next_night() -> None:
    made = tables()
    made["series"] = changed(made, "series", {"n_missing_slices": 2}, row=0)
    suites = {"series": SUITES["series"]}
    one, other = (validate_tables(made, Stage.RELEASE, suites=suites) for _ in range(2))
    assert one == other
    assert len(one.findings) == 1


def test_a_missing_table_blocks_a_release_but_not_a_batch() -> None:
    made = tables()
    del made["lesion"]
    release = validate_tables(made, Stage.RELEASE)
    assert found(release, "CON-TABLE")[0].object_id == "lesion"
    assert release.blocked
    images = {name: made[name] for name in ("imaging_study", "series", "nifti_volume")}
    assert not validate_tables(images, Stage.BATCH).blocked


@pytest.mark.parametrize(
    ("rule_id", "expected"),
    [
        ("SER-MISSING-SLICES", "0"),
        ("SUB-AGE-RANGE", "0 to 90"),
        ("SUB-ADULT", "at least 18"),
        ("BAT-QUARANTINE", "at most 0.1"),
        ("SER-VOLUME", "yes"),
        ("SUB-SEX", "M, F"),
        ("SER-STUDY", "a row of imaging_study"),
        ("SER-KEY", "one row"),
        ("SUB-AGE-MISSING", "a value"),
    ],
)
def test_what_a_rule_expects_is_said_in_words(rule_id: str, expected: str) -> None:
    rules = {rule.meta.rule_id: rule for suite in SUITES.values() for rule in suite.expectations}
    assert expected_of(rules[rule_id]) == expected


def test_a_rule_that_cannot_run_blocks() -> None:
    made = tables()
    del made["imaging_study"]
    report = validate_tables({"series": made["series"]}, Stage.BATCH)
    assert {f.object_id for f in found(report, "RUN-FAILED")} == {"SER-STUDY", "SER-VOLUME"}
    with pytest.raises(GateBlockedError, match="RUN-FAILED"):
        require_passed(report.findings)


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("expect_column_values_to_match_regex", {"column": "label", "regex": "("}),
        ("expect_column_values_to_be_between", {"column": "n_slices", "min_value": "many"}),
        ("expect_column_values_to_be_between", {"column": "label", "min_value": 3}),
    ],
    ids=["raises", "is not taken", "another type"],
)
def test_a_rule_that_great_expectations_cannot_run_blocks_alone(
    kind: str, kwargs: dict[str, object]
) -> None:
    good, *_ = SUITES["series"].expectations
    meta = good.meta.model_copy(update={"rule_id": "SER-BAD"})
    bad = good.model_copy(update={"type": kind, "kwargs": kwargs, "meta": meta})
    suite = SUITES["series"].model_copy(update={"expectations": (good, bad)})
    report = validate_tables({"series": tables()["series"]}, Stage.BATCH, suites={"series": suite})
    assert [(f.object_id, f.severity) for f in found(report, "RUN-FAILED")] == [
        ("SER-BAD", Severity.BLOCKER)
    ]
    assert report.rules_run == (good.meta.rule_id,)


def test_a_table_with_other_columns_blocks_and_is_looked_at_no_further() -> None:
    made = tables()
    made["lesion"] = made["lesion"].drop_columns(["segment"])
    report = validate_tables(made, Stage.RELEASE)
    assert [f.object_id for f in found(report, "CON-COLUMNS")] == ["lesion"]
    assert report.blocked


def test_values_that_break_the_contract_are_named_by_row_and_column() -> None:
    made = tables()
    frame = made["subject"].to_pandas()
    frame.loc[0, "sex"] = "Zhang San"
    schema = CONTRACTS["subject"].arrow_schema()
    made["subject"] = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    report = validate_tables(made, Stage.RELEASE)
    (finding,) = found(report, "CON-CODE")
    assert (finding.object_id, finding.column_name) == (FIRST, "sex")
    assert "Zhang" not in repr(report)


def test_two_rows_with_one_key_are_found() -> None:
    made = tables()
    twice = pa.concat_tables([made["subject"], made["subject"].slice(0, 1)])
    report = validate_tables(made | {"subject": twice}, Stage.RELEASE)
    assert [f.object_id for f in found(report, "SUB-KEY")] == [FIRST]
    assert report.blocked


def test_the_evidence_is_json_without_a_single_value_of_a_row() -> None:
    made = tables()
    made["series"] = changed(made, "series", {"n_missing_slices": 2}, row=0)
    text = json.dumps(validate_tables(made, Stage.RELEASE).gx_json)
    assert digest_of(FIRST) not in text
    assert FIRST not in text


def test_an_empty_cohort_is_not_a_fault() -> None:
    empty = {name: table.slice(0, 0) for name, table in tables().items()}
    report = validate_tables(empty, Stage.RELEASE)
    assert report.findings == ()


def test_the_frame_given_to_the_rules_has_the_shares_of_each_site() -> None:
    from tasks.validate.frames import prepare_frames

    summary = prepare_frames(tables())["site_summary"]
    assert isinstance(summary, pd.DataFrame)
    assert summary["n_series"].tolist() == [2, 1]
    assert summary["unclassified_share"].tolist() == [0.0, 0.0]


def test_an_image_at_fault_is_put_to_the_site_of_its_subject() -> None:
    made = tables()
    rows = made["instance"].to_pylist()
    rows[0]["subject_id"] = "S91-ZZZZ2222"
    report = validate_tables(
        made | {"instance": conform(CONTRACTS["instance"], rows)},
        Stage.RELEASE,
        suites={"instance": SUITES["instance"]},
    )
    (finding,) = found(report, "IMG-SUBJECT")
    assert finding.site_code == "S91"
    assert finding.object_id.endswith("/1")


def test_one_key_twice_is_found_with_the_number_of_its_rows() -> None:
    made = tables()
    row = made["instance"].slice(0, 1)
    report = validate_tables(
        made | {"instance": pa.concat_tables([made["instance"], row, row])},
        Stage.RELEASE,
        suites={"site": SUITES["site"]},
    )
    assert [one.observed for one in found(report, "CON-KEY")] == ["3 rows"]
