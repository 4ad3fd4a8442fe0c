"""The whole cohort: verdicts, flow, and rows that fit the published contracts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pytest

from schemas.clinical_rows import Cell, ClinicalRow, Missing
from schemas.partial_dates import PartialDate
from schemas.records import CohortLabels
from schemas.tables.contracts import conform, read_table_contracts
from tasks.clinical.form_contracts import FORM_NAMES
from tasks.eligibility.assemble import CohortRows, assemble_cohort
from tasks.reference.judge import judge_subject
from tests.unit.eligibility.cohort import (
    CT,
    CT_LABELS,
    EOB,
    EOB_LABELS,
    SHIFT_DAYS,
    join,
    plain_images,
    plain_rows,
    row,
    row_for,
    study,
)

NO_IMAGES = CohortLabels(series=(), studies=())


def cohort(rows: list[ClinicalRow], labels: CohortLabels | None = None) -> CohortRows:
    return assemble_cohort(rows, plain_images() if labels is None else labels, judge_subject)


def without(form: str) -> list[ClinicalRow]:
    return [one for one in plain_rows() if one.form != form]


def replaced(form: str, **changes: Cell) -> list[ClinicalRow]:
    return [*without(form), row(form, **changes)]


def status(cohort_rows: CohortRows, reading: str = "literal") -> object:
    (found,) = [r for r in cohort_rows.tables["eligibility"] if r["reading"] == reading]
    return found["status"]


def verdict(cohort_rows: CohortRows, criterion: str) -> Mapping[str, object]:
    (found,) = [
        r
        for r in cohort_rows.tables["criterion_result"]
        if (r["criterion_id"], r["reading"]) == (criterion, "literal")
    ]
    return found


def leaves(cohort_rows: CohortRows, site: str = "all") -> dict[object, object]:
    return {
        r["node_id"]: r["n"]
        for r in cohort_rows.tables["stard_flow"]
        if (r["site_code"], r["reading"]) == (site, "literal") and r["n"]
    }


def test_a_subject_with_everything_is_eligible_under_both_readings() -> None:
    plain = cohort(plain_rows())
    assert status(plain) == "eligible"
    assert status(plain, "combined_exam") == "eligible"
    assert plain.findings == ()


def test_one_gadoxetate_exam_is_eligible_under_the_combined_reading_only() -> None:
    images = join(study("baseline_ct", CT, CT_LABELS), study("eob_mri", EOB, EOB_LABELS))
    rows = replaced("demographics", dce_mri_done="no", dce_mri_date=Missing.NOT_APPLICABLE)
    assert status(cohort(rows, images)) == "ineligible"
    assert status(cohort(rows, images), "combined_exam") == "eligible"


def test_every_table_fits_its_contract() -> None:
    others = set(FORM_NAMES) - {one.form for one in plain_rows()}
    treated = row("treatment", treatment_no=1, prior_treatment="yes")
    rows = [*plain_rows(), *map(row, sorted(others)), treated]
    contracts = read_table_contracts()
    for name, table in cohort(rows).tables.items():
        assert conform(contracts[name], table).num_rows == len(table) > 0


def test_no_real_date_and_no_subject_number_leaves() -> None:
    told = repr([*cohort([*plain_rows(), row("follow_up")]).tables.values()])
    for day in (CT, EOB, dt.date(2025, 3, 20), dt.date(2025, 7, 1), dt.date(2025, 4, 1)):
        assert repr(day) not in told
        assert day.isoformat() not in told
    assert "LC-1" not in told


def test_dates_are_shifted_and_differences_are_real() -> None:
    (followup,) = cohort([*plain_rows(), row("follow_up")]).tables["follow_up"]
    assert followup["image_date_shifted"] == dt.date(2025, 7, 1) - dt.timedelta(days=SHIFT_DAYS)
    assert followup["days_from_baseline_mri"] == 115


def test_partial_dates_are_published_as_precision() -> None:
    rows = replaced("pathology", specimen_date=PartialDate(2025, 3))
    (specimen,) = cohort(rows).tables["pathology"]
    assert (specimen["specimen_date_shifted"], specimen["date_precision"]) == (None, "month")


@pytest.mark.parametrize(
    ("birth", "age"),
    [
        (PartialDate(1966, 2), 59.0),
        (PartialDate(1966, 3), None),
        (PartialDate(1966, 3, 6), 59.0),
        (PartialDate(1966, 3, 7), 58.0),
        (PartialDate(1925, 1, 1), 90.0),
        (Missing.UNKNOWN, None),
    ],
)
def test_age_is_completed_years_at_the_ct_capped_and_never_guessed(
    birth: Cell, age: float | None
) -> None:
    (subject,) = cohort(replaced("demographics", birth_date=birth)).tables["subject"]
    assert subject["age_years"] == age


def test_the_best_specimen_decides_i5() -> None:
    late = row("pathology", specimen_no=2, specimen_date=PartialDate(2025, 9, 1))
    assert verdict(cohort([*plain_rows(), late]), "I5")["effect"] == "pass"


def test_the_worst_treatment_decides_e1() -> None:
    treatments = [
        row("treatment", treatment_no=n, prior_treatment="yes", start_date=PartialDate(year, 5, 1))
        for n, year in ((1, 2026), (2, 2024))
    ]
    assert verdict(cohort([*without("treatment"), *treatments]), "E1")["effect"] == "fail"


def test_an_accepted_malignant_lesion_settles_e3_beside_an_unverified_one() -> None:
    second = row("diagnosis", lesion_no=2, reference_class="HCC", reference_route="imaging")
    found = cohort([*plain_rows(), second])
    assert verdict(found, "E3")["effect"] == "pass"
    assert found.tables["subject"][0]["patient_reference"] == "malignant"


@pytest.mark.parametrize(
    ("lesion", "reference"),
    [
        ({"reference_class": "HCC", "reference_route": "pathology"}, "malignant"),
        ({"reference_class": "FNH", "reference_route": "followup"}, "indeterminate"),
        ({"reference_class": "HCC", "reference_route": "imaging"}, "indeterminate"),
        ({"reference_class": "pending", "reference_route": "none"}, "pending"),
        ({"reference_class": "indeterminate", "reference_route": "pathology"}, "indeterminate"),
    ],
)
def test_the_reference_of_a_patient_follows_from_what_is_proven(
    lesion: dict[str, Cell], reference: str
) -> None:
    (subject,) = cohort(replaced("diagnosis", **lesion)).tables["subject"]
    assert subject["patient_reference"] == reference


@pytest.mark.parametrize(
    ("consent", "leaf"),
    [
        ({"consent_status": "withdrawn"}, "consent_withdrawn"),
        ({"consent_status": Missing.NOT_ENTERED}, "consent_unknown"),
        ({"consent_status": "waived"}, "consent_unknown"),
        ({"consent_status": "waived", "consent_document": "IRB-7"}, "reference_malignant"),
    ],
)
def test_the_consent_gate_has_nodes_of_its_own(consent: dict[str, Cell], leaf: str) -> None:
    assert leaf in leaves(cohort(replaced("demographics", **consent)))


def test_a_waiver_without_a_document_is_a_finding() -> None:
    found = cohort(replaced("demographics", consent_status="waived"))
    assert [finding.rule_id for finding in found.findings] == ["ELIG_WAIVER_WITHOUT_DOCUMENT"]


def test_a_subject_of_whom_only_images_came_is_undetermined_and_a_finding() -> None:
    found = assemble_cohort(
        [], plain_images(), judge_subject, batch_of_subject={"S91-AAAAAAAA": "b7"}
    )
    assert status(found) == "undetermined"
    assert found.tables["subject"][0]["batch_id"] == "b7"
    assert [finding.rule_id for finding in found.findings] == ["ELIG_NO_DEMOGRAPHICS"]


def test_the_vault_gives_the_shift_of_a_subject_of_whom_only_images_came() -> None:
    shifts = {"S91-AAAAAAAA": SHIFT_DAYS}
    assert (
        verdict(assemble_cohort([], plain_images(), judge_subject, shift_days=shifts), "I3")[
            "effect"
        ]
        == "pass"
    )
    assert (
        verdict(assemble_cohort([], plain_images(), judge_subject), "I3")["effect"]
        == "undetermined"
    )


def test_a_subject_of_whom_only_forms_came_is_undetermined_for_want_of_images() -> None:
    found = cohort(plain_rows(), NO_IMAGES)
    assert status(found) == "undetermined"
    assert verdict(found, "I3")["missing_evidence"] == [
        "imaging.baseline_ct",
        "imaging.baseline_ct.contrast_phases",
    ]


def test_each_subject_is_counted_once_at_the_first_criterion_that_fails() -> None:
    rows = replaced("demographics", detected_by="MRI", birth_date=PartialDate(2015))
    found = leaves(cohort(rows))
    assert [node for node in found if str(node).startswith("excluded_")] == ["excluded_I1"]


def test_a_window_cut_short_by_the_study_has_a_box_of_its_own() -> None:
    late = dt.date(2028, 10, 5)
    images = join(
        study("baseline_ct", late, CT_LABELS),
        study("dce_mri", late, plain_labels("dce_mri")),
        study("eob_mri", late, plain_labels("eob_mri")),
    )
    day = PartialDate.of(late)
    rows = [
        *[one for one in plain_rows() if one.form not in ("demographics", "pathology")],
        row("demographics", baseline_ct_date=day, dce_mri_date=day, eob_mri_date=day),
        row("pathology", specimen_no=0, pathology_done="no"),
    ]
    rows = [one for one in rows if one.form != "diagnosis"] + [
        row("diagnosis", reference_class="pending", reference_route="none")
    ]
    assert "window_truncated" in leaves(cohort(rows, images))


def plain_labels(role: str) -> dict[str, float | None]:
    images = plain_images()
    (uid,) = [one.study_uid for one in images.studies if one.role == role]
    return {s.label: s.slice_thickness_mm for s in images.series if s.study_uid == uid}


def test_children_sum_to_their_parent_at_every_node_site_and_reading() -> None:
    sites = ("S91-AAAAAAAA", "S91-BBBBBBBB", "S92-CCCCCCCC")
    rows = [one for subject in sites for one in plain_rows(subject)]
    rows += [row_for("S92-DDDDDDDD", "screening_log", enrolled=False)]
    rows = [one for one in rows if not (one.subject_id == sites[1] and one.form == "diagnosis")]
    found = assemble_cohort(
        rows, join(*[plain_images(subject) for subject in sites]), judge_subject
    )
    flow = found.tables["stard_flow"]
    assert {r["site_code"] for r in flow} == {"all", "S91", "S92"}
    for parent in flow:
        group = [r for r in flow if (r["site_code"], r["reading"]) == _group(parent)]
        children = [int(str(r["n"])) for r in group if r["parent_id"] == parent["node_id"]]
        assert not children or sum(children) == parent["n"]
    screened = {r["site_code"]: r["n"] for r in flow if r["node_id"] == "screened"}
    assert screened == {"all": 4, "S91": 2, "S92": 2}


def _group(node: Mapping[str, object]) -> tuple[object, object]:
    return node["site_code"], node["reading"]


def test_an_empty_node_is_shown_as_zero_and_an_empty_cohort_has_its_flow() -> None:
    flow = cohort([], NO_IMAGES).tables["stard_flow"]
    assert {r["n"] for r in flow} == {0}
    assert {"excluded_E4", "undetermined_edc.pathology.specimen_date"} <= {
        r["node_id"] for r in flow
    }


def test_the_order_of_rows_and_images_changes_nothing() -> None:
    images = plain_images()
    turned = CohortLabels(series=images.series[::-1], studies=images.studies[::-1])
    assert cohort(plain_rows()[::-1], turned) == cohort(plain_rows(), images)
