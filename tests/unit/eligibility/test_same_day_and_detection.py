"""I2 against the day of the CT (D24), E1 on that day (D28), I4 by the exam that counts (D05)."""

from __future__ import annotations

import datetime as dt

import pytest

from schemas.partial_dates import PartialDate
from schemas.records import CohortLabels
from tasks.eligibility.assemble import assemble_cohort
from tasks.eligibility.evaluate import evaluate_facts
from tasks.reference.judge import judge_subject
from tests.unit.eligibility.cohort import (
    CT,
    CT_LABELS,
    DCE,
    DCE_LABELS,
    EOB,
    EOB_LABELS,
    join,
    plain_images,
    plain_rows,
    row,
    study,
)


@pytest.mark.parametrize(
    ("found", "reading", "effect", "reason"),
    [
        ({"detected_by": "US"}, "literal", "pass", "MET"),
        ({"detected_by": "US", "detected": "2025-03-05"}, "literal", "pass", "MET"),
        ({"detected_by": "US", "detected": "2025-03-06"}, "literal", "pass", "MET"),
        ({"detected_by": "US", "detected": "2025-03-07"}, "literal", "fail", "DETECTED_AFTER_CT"),
        (
            {"detected_by": "US", "detected": "2025-03"},
            "literal",
            "undetermined",
            "DATE_NOT_PRECISE",
        ),
        ({"detected_by": "US", "detected": "2025-04"}, "literal", "fail", "DETECTED_AFTER_CT"),
        (
            {"detected_by": "MRI", "detected": "2025-03-07"},
            "any_detection",
            "fail",
            "DETECTED_AFTER_CT",
        ),
        (
            {"detected_by": "screening_CT", "detected": "2025-03-06"},
            "literal",
            "pass",
            "SCREENING_CT_IS_BASELINE",
        ),
        (
            {"detected_by": "screening_CT", "detected": "2025-03-06"},
            "screening_ct_apart",
            "fail",
            "SCREENING_CT_NOT_ALLOWED",
        ),
        (
            {"detected_by": "screening_CT", "detected": "2025-03-01"},
            "screening_ct_apart",
            "pass",
            "MET",
        ),
    ],
)
def test_the_lesion_was_found_on_or_before_the_day_of_the_ct(
    found: dict[str, object], reading: str, effect: str, reason: str
) -> None:
    result = evaluate_facts("I2", {"ct": "2025-03-06"} | found, reading)
    assert (result.effect, result.reason_code) == (effect, reason)


def test_the_day_of_detection_comes_from_the_form_and_the_day_of_the_ct_from_the_images() -> None:
    late = PartialDate.of(CT + dt.timedelta(days=1))
    rows = [one for one in plain_rows() if one.form != "demographics"]
    rows.append(row("demographics", detected_date=late))
    found = assemble_cohort(rows, plain_images(), judge_subject).tables["criterion_result"]
    dated = [r for r in found if r["criterion_id"] == "I2" and r["reading"] != "study_dates"]
    assert {r["effect"] for r in dated} == {"fail"}


@pytest.mark.parametrize(
    ("reading", "effect", "reason"),
    [
        ("literal", "undetermined", "SAME_DAY_ORDER_UNKNOWN"),
        ("same_day_excludes", "fail", "TREATED_BEFORE_CT"),
        ("same_day_allowed", "pass", "NOT_EXCLUDED"),
    ],
)
def test_treatment_on_the_day_of_the_ct_is_open_until_somebody_decides(
    reading: str, effect: str, reason: str
) -> None:
    facts = {"prior_tx": "yes", "prior_tx_date": "2025-03-06", "ct": "2025-03-06"}
    result = evaluate_facts("E1", facts, reading)
    assert (result.effect, result.reason_code) == (effect, reason)


def images(dce: dict[str, float | None], eob: dict[str, float | None]) -> CohortLabels:
    return join(
        study("baseline_ct", CT, CT_LABELS),
        study("dce_mri", DCE, dce),
        study("eob_mri", EOB, eob),
    )


def i4(labels: CohortLabels, reading: str) -> object:
    found = assemble_cohort(plain_rows(), labels, judge_subject).tables["criterion_result"]
    (one,) = [r for r in found if (r["criterion_id"], r["reading"]) == ("I4", reading)]
    return one["effect"]


THICK: dict[str, float | None] = dict.fromkeys(DCE_LABELS, 7.0)


def test_a_thick_extra_exam_does_not_fail_a_complete_gadoxetate_exam() -> None:
    labels = images(THICK, EOB_LABELS)
    assert i4(labels, "literal") == "fail"
    assert i4(labels, "combined_exam") == "pass"


def test_two_exams_that_fulfil_the_literal_text_fulfil_the_other_reading_too() -> None:
    without_arterial: dict[str, float | None] = {
        k: v for k, v in EOB_LABELS.items() if k != "MR_T1_ART"
    }
    assert i4(images(DCE_LABELS, EOB_LABELS), "combined_exam") == "pass"
    assert i4(images(DCE_LABELS, without_arterial), "literal") == "undetermined"


def test_a_thick_gadoxetate_exam_is_not_helped_by_a_thin_other_one() -> None:
    thick: dict[str, float | None] = dict.fromkeys(EOB_LABELS, 7.0)
    assert i4(images(DCE_LABELS, thick), "combined_exam") == "fail"
