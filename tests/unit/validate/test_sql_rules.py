"""Every rule in SQL finds its fault at its row, and a statement that cannot run is no pass."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
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

SUITES = read_suites()
RULES = {
    rule.meta.rule_id: (table, rule)
    for table, suite in SUITES.items()
    for rule in suite.expectations
    if rule.sql
}
WHO = "S91-AAAA2222"
STUDY = "2.25.11"
IMAGE = InstanceFeatures(
    subject_id=WHO,
    study_uid=STUDY,
    series_uid="2.25.21",
    sop_uid="2.25.1",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
    modality="MR",
    rows=256,
    columns=256,
    pixel_spacing_mm=(0.8, 0.8),
)
OTHER = replace(IMAGE, sop_uid="2.25.2")

Tables = dict[str, pa.Table]


def timed(uid: str, phase: str, seconds: float) -> dict[str, object]:
    return make_row(
        "series",
        series_uid=uid,
        sub_stack_digest=uid,
        study_uid=STUDY,
        subject_id=WHO,
        label_tier="A",
        contrast_phase=phase,
        acquisition_time_offset_seconds=seconds,
    )


def many(site: str, verdict: str, label: str, n: int) -> list[dict[str, object]]:
    row = {"label_tier": "A", "thickness_verdict": verdict, "label": label}
    own = {"subject_id": f"{site}-AAAA2222", "study_uid": f"{site}-study"}
    return [
        make_row("series", series_uid=f"{site}{i}", sub_stack_digest="d", **own, **row)
        for i in range(n)
    ]


def study(site: str) -> dict[str, object]:
    return make_row(
        "imaging_study",
        study_uid=f"{site}-study",
        subject_id=f"{site}-AAAA2222",
        manufacturer="SIEMENS",
    )


def criterion(reason: str) -> dict[str, object]:
    return make_row(
        "criterion_result",
        subject_id=WHO,
        criterion_id="I5",
        reading="literal",
        reason_code=reason,
    )


def lesion(route: str) -> dict[str, object]:
    return make_row("lesion", lesion_id="l1", subject_id=WHO, reference_route=route)


def image(series: str, number: int, sop_uid: str, **values: object) -> dict[str, object]:
    own = {"series_uid": series, "sub_stack_digest": series, "slice_no": number}
    return make_row("instance", sop_uid=sop_uid, **{"subject_id": WHO, **own, **values})


def volume(uid: str, **values: object) -> dict[str, object]:
    own = {"series_uid": uid, "sub_stack_digest": uid, "study_uid": STUDY, "subject_id": WHO}
    return make_row("nifti_volume", volume_id=uid, pixel_sha256="p", **{**own, **values})


#: rule → tables that break it, and the keys of the rows that are at fault.
FAULTS: dict[str, tuple[dict[str, list[dict[str, object]]], set[str]]] = {
    "SER-PHASE-ORDER": ({"series": [timed("a", "art", 90), timed("b", "pvp", 60)]}, {"b/b"}),
    "SER-UNEQUAL-PHASES": (
        {"series": [timed("a", "art", 1) | {"conversion_codes": ["UNEQUAL_PHASES"]}]},
        {"a/a"},
    ),
    "SER-LOCALIZER-INSIDE": (
        {
            "series": [
                timed("a", "art", 1) | {"sub_stack_digest": "d", "label": "CT_ART"},
                timed("a", "art", 1) | {"sub_stack_digest": "e", "label": "LOCALIZER"},
                timed("b", "art", 1) | {"label": "LOCALIZER"},
            ]
        },
        {"a/e"},
    ),
    "STU-THICKNESS": (
        {
            "imaging_study": [study("S91"), study("S92")],
            "series": [
                *many("S91", "not_met", "MR_T1_ART", 9),
                *many("S92", "met", "MR_T1_ART", 1),
            ],
        },
        {"S91-study"},
    ),
    "STU-THICKNESS-UNKNOWN": (
        {
            "imaging_study": [study("S91"), study("S92")],
            "series": [
                *many("S91", "undetermined", "MR_T2_FS", 9),
                *many("S92", "not_met", "MR_T1_ART", 1),
            ],
        },
        {"S91-study"},
    ),
    "SER-UID-PER-SLICE": (
        {"series": [timed("a", "art", 1) | {"conversion_codes": ["UID_PER_SLICE"]}]},
        {"a/a"},
    ),
    "SER-IMAGE-COUNT": (
        {
            "series": [
                timed("a", "art", 1) | {"n_instances": 2},
                timed("b", "pvp", 1) | {"n_instances": 1},
                timed("c", "pvp", 1) | {"n_instances": 1},
            ],
            "instance": [
                *(image("a", 1, "1.1"), image("b", 1, "1.2")),
                *(image("c", n, "1.3", frame_number=n) for n in (1, 2)),
            ],
        },
        {"a/a"},
    ),
    "IMG-SERIES": (
        {"series": [timed("a", "art", 1)], "instance": [image("a", 1, "1"), image("b", 1, "2")]},
        {"b/b/1"},
    ),
    "IMG-SUBJECT": (
        {
            "series": [timed("a", "art", 1)],
            "instance": [image("a", 1, "1"), image("a", 2, "2", subject_id="S91-BBBB2222")],
        },
        {"a/a/2"},
    ),
    "IMG-TWICE": (
        {"instance": [image("a", 1, "1"), image("b", 1, "1"), image("b", 2, "2")]},
        {"a/a/1", "b/b/1"},
    ),
    "VOL-DUPLICATE": ({"nifti_volume": [volume("a"), volume("b")]}, {"a", "b"}),
    "STU-SERIES-COUNT": (
        {
            "imaging_study": [make_row("imaging_study", study_uid=STUDY, n_series=2)],
            "series": [timed("a", "art", 1)],
        },
        {STUDY},
    ),
    "STU-IMAGE-COUNT": (
        {
            "imaging_study": [make_row("imaging_study", study_uid=STUDY, n_instances=9)],
            "series": [timed("a", "art", 1), timed("b", "pvp", 1)],
        },
        {STUDY},
    ),
    "STU-PHASES": (
        {"imaging_study": [make_row("imaging_study", study_uid=STUDY, role="eob_mri")]},
        {STUDY},
    ),
    "STU-MRI-WINDOW": (
        {
            "imaging_study": [
                make_row(
                    "imaging_study", study_uid=f"u{d}", role="dce_mri", days_from_baseline_ct=d
                )
                for d in (-16, -15, 15, 16)
            ]
        },
        {"u-16", "u16"},
    ),
    "CRI-STUDY-PERIOD": (
        {"criterion_result": [criterion("WINDOW_TRUNCATED")]},
        {f"{WHO}/I5/literal"},
    ),
    "CRI-CONFLICT": (
        {"criterion_result": [criterion("EVIDENCE_CONFLICT")]},
        {f"{WHO}/I5/literal"},
    ),
    "PAT-DATE-ORDER": (
        {
            "pathology": [
                make_row(
                    "pathology",
                    specimen_id=f"p{day}",
                    specimen_date_shifted=dt.date(2024, 3, 6),
                    report_date_shifted=dt.date(2024, 3, day),
                )
                for day in (5, 6)
            ]
        },
        {"p5"},
    ),
    "FUP-DATE-ORDER": (
        {
            "follow_up": [
                make_row("follow_up", followup_id=f"f{days}", days_from_baseline_mri=days)
                for days in (-1, 0)
            ]
        },
        {"f-1"},
    ),
    "LES-PATHOLOGY": ({"lesion": [lesion("pathology")]}, {"l1"}),
    "LES-FOLLOW-UP": ({"lesion": [lesion("followup")]}, {"l1"}),
    "SUB-LESION": (
        {
            "subject": [make_row("subject", subject_id=WHO)],
            "imaging_study": [make_row("imaging_study", study_uid=STUDY, subject_id=WHO)],
        },
        {WHO},
    ),
    "SCR-ENROLLED": (
        {
            "screening_log": [
                make_row("screening_log", site_code="S91", screening_no="N1", enrolled="yes")
            ]
        },
        {"S91/N1"},
    ),
    "SIT-DRIFT-THICKNESS": (
        {
            "series": [
                *many("S91", "not_met", "MR_T2", 20),
                *many("S92", "met", "MR_T2", 20),
                *many("S93", "not_met", "MR_T2", 19),
            ]
        },
        {"S91"},
    ),
    "SIT-DRIFT-VENDOR": (
        {
            "series": [
                *many("S91", "met", "UNCLASSIFIED", 20),
                *many("S92", "met", "MR_T2", 20),
                *many("S93", "met", "UNCLASSIFIED", 19),
            ],
            "imaging_study": [study("S91"), study("S92"), study("S93")],
        },
        {"S91"},
    ),
}
IMAGE_FAULTS: dict[str, tuple[list[InstanceFeatures], set[str]]] = {
    "INS-KEY": ([IMAGE, IMAGE], {"2.25.1"}),
    "INS-SERIES": ([IMAGE, replace(OTHER, series_uid="2.25.9")], {"2.25.2"}),
    "INS-SUBJECT": (
        [IMAGE, replace(OTHER, subject_id="S91-BBBB3333")],
        {"2.25.1", "2.25.2"},
    ),
    "INS-STUDY": ([IMAGE, replace(OTHER, study_uid="2.25.9")], {"2.25.1", "2.25.2"}),
    "INS-MODALITY": ([IMAGE, replace(OTHER, modality="US")], {"2.25.2"}),
    "INS-SIZE": ([IMAGE, replace(OTHER, rows=16)], {"2.25.2"}),
    "INS-SPACING": ([IMAGE, replace(OTHER, pixel_spacing_mm=(0.8, 80.0))], {"2.25.2"}),
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
