"""Each registered criterion at its boundaries: one line, one sentence of the protocol."""

from __future__ import annotations

import pytest

from schemas.states import Effect
from tasks.eligibility.evaluate import evaluate_facts

PASS, FAIL, OPEN = Effect.PASS, Effect.FAIL, Effect.UNDETERMINED
MRI_OK: dict[str, object] = {
    "ct": "2025-03-01",
    "dce": "2025-03-05",
    "eob": "2025-03-06",
    "field_t": 3.0,
    "t1_mm": [3.0, 3.0],
    "t2_mm": [6.0],
}


def effect(criterion: str, **facts: object) -> Effect:
    return evaluate_facts(criterion, facts).effect


@pytest.mark.parametrize(
    ("birth", "ct", "expected"),
    [
        ("2007-03-06", "2025-03-06", PASS),
        ("2007-03-07", "2025-03-06", FAIL),
        ("2008-02-29", "2026-02-28", PASS),
        ("2008-02-29", "2026-02-27", FAIL),
        ("2007-03", "2025-03-31", PASS),
        ("2007-03", "2025-03-15", OPEN),
        ("2007-03", "2025-02-28", FAIL),
        ("2006", "2025-01-01", PASS),
        ("2007", "2025-06-01", OPEN),
        ("2007-12-31", "2025", OPEN),
        ("1960", None, OPEN),
        (None, "2025-03-06", OPEN),
    ],
)
def test_i1_eighteen_completed_years_on_the_day_of_the_ct(
    birth: str | None, ct: str | None, expected: Effect
) -> None:
    assert effect("I1", birth=birth, ct=ct) is expected


@pytest.mark.parametrize(
    ("route", "expected"),
    [("US", PASS), ("screening_CT", PASS), ("MRI", FAIL), ("other", FAIL), (None, OPEN)],
)
def test_i2_ultrasound_and_screening_ct_are_the_registered_routes(
    route: str | None, expected: Effect
) -> None:
    assert effect("I2", detected_by=route) is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"ct": "2025-03-06", "ct_contrast_phases": 1}, PASS),
        ({"ct": "2025-03-06", "ct_contrast_phases": 3}, PASS),
        ({"ct": "2025-03-06", "ct_contrast_phases": 0}, FAIL),
        ({"ct": "2025-03-06"}, OPEN),
        ({"ct_received": True}, OPEN),
        ({}, OPEN),
        ({"ct_received": False}, FAIL),
        ({"ct_received": False, "ct_contrast_phases": 2}, OPEN),
    ],
)
def test_i3_one_post_contrast_phase_is_enough(facts: dict[str, object], expected: Effect) -> None:
    assert effect("I3", **facts) is expected


@pytest.mark.parametrize("exam", ["dce", "eob"])
@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2025-03-16", PASS),
        ("2025-03-17", FAIL),
        ("2025-02-14", PASS),
        ("2025-02-13", FAIL),
        ("2025-03", OPEN),
        ("2025-04", FAIL),
        ("none", FAIL),
        (None, OPEN),
    ],
)
def test_i4_each_mri_lies_within_fifteen_days_either_way(
    exam: str, day: str | None, expected: Effect
) -> None:
    assert effect("I4", **MRI_OK | {exam: day}) is expected


@pytest.mark.parametrize(
    ("field_t", "expected"),
    [
        (1.5, PASS),
        (1.494, PASS),
        (1.45, PASS),
        (1.44, FAIL),
        (1.0, FAIL),
        (15000, PASS),
        (10000, FAIL),
        (0, OPEN),
        (None, OPEN),
    ],
)
def test_i4_the_magnet_has_one_and_a_half_tesla(field_t: float | None, expected: Effect) -> None:
    assert effect("I4", **MRI_OK | {"field_t": field_t}) is expected


@pytest.mark.parametrize(
    ("t1_mm", "expected"),
    [
        ([5.0], PASS),
        ([5.0000001, 3], PASS),
        ([5.05], PASS),
        ([5.06], FAIL),
        ([3, 6], FAIL),
        ([6, None], FAIL),
        ([3, None], OPEN),
        ([3, 0], OPEN),
        ([], OPEN),
        (None, OPEN),
    ],
)
def test_i4_every_required_t1_is_at_most_five_mm(t1_mm: object, expected: Effect) -> None:
    assert effect("I4", **MRI_OK | {"t1_mm": t1_mm}) is expected


@pytest.mark.parametrize(
    ("t2_mm", "expected"),
    [
        ([8.0], PASS),
        ([8.05], PASS),
        ([8.06], FAIL),
        ([10, 6], PASS),
        ([6, 40], PASS),
        ([10, 40], FAIL),
        ([40], OPEN),
        ([70, None], OPEN),
        ([10, None], OPEN),
        ([6, None], PASS),
        ([], OPEN),
        (None, OPEN),
    ],
)
def test_i4_one_diagnostic_t2_is_at_most_eight_mm_and_slabs_decide_nothing(
    t2_mm: object, expected: Effect
) -> None:
    assert effect("I4", **MRI_OK | {"t2_mm": t2_mm}) is expected


def test_i4_one_part_that_is_not_met_outweighs_all_that_are_unknown() -> None:
    assert effect("I4", ct="2025-03-01", eob="2025-04-05") is FAIL
    assert effect("I4", field_t=1.0) is FAIL


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"dce": "none", "eob_dynamic": True}, PASS),
        ({"dce": None, "eob_dynamic": True}, PASS),
        ({"dce": "none", "eob_dynamic": False}, FAIL),
        ({"dce": "none"}, OPEN),
        ({"dce": "none", "eob_dynamic": True, "eob": "2025-04-05"}, FAIL),
        ({}, PASS),
    ],
)
def test_i4_combined_one_dynamic_gadoxetate_exam_counts_for_both(
    facts: dict[str, object], expected: Effect
) -> None:
    result = evaluate_facts("I4", MRI_OK | facts, "combined_exam")
    assert result.effect is expected


@pytest.mark.parametrize(
    ("specimen", "expected"),
    [
        ("2025-03-01", PASS),
        ("2025-03-31", PASS),
        ("2025-04-01", FAIL),
        ("2025-02-28", FAIL),
        ("2025-03", PASS),
        ("2025-04", FAIL),
        ("2025", OPEN),
    ],
)
def test_i5a_the_specimen_is_taken_on_day_0_to_30(specimen: str, expected: Effect) -> None:
    assert effect("I5", mri="2025-03-01", path_specimen=specimen, fu="none") is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"path_report": "2025-03-10"}, OPEN),
        ({"path_report": "2025-09-10"}, OPEN),
        ({"path_report": "2025-02-25"}, FAIL),
        ({"path_report": "2025-03"}, OPEN),
        ({"path_specimen": "2025", "path_report": "2025-02-20"}, FAIL),
        ({"path_specimen": "2025-04", "path_report": "2025-03-20"}, OPEN),
        ({"path": "none", "path_specimen": "2025-03-10"}, OPEN),
    ],
)
def test_i5a_the_report_only_bounds_the_specimen(
    facts: dict[str, object], expected: Effect
) -> None:
    assert effect("I5", mri="2025-03-01", fu="none", **facts) is expected


@pytest.mark.parametrize(
    ("mri", "image", "closed", "expected"),
    [
        ("2025-03-01", "2025-06-01", None, PASS),
        ("2025-03-01", "2025-05-31", None, OPEN),
        ("2025-03-01", "2025-05-31", False, OPEN),
        ("2025-03-01", "2025-05-31", True, FAIL),
        ("2025-11-30", "2026-02-28", None, PASS),
        ("2025-11-30", "2026-02-27", True, FAIL),
        ("2025-03-15", "2025-06", None, OPEN),
        ("2025-03-15", "2025-06", True, OPEN),
        ("2025-03-15", "2025-07", None, PASS),
        ("2025-03", "2025-06-15", True, OPEN),
        ("2025-03-01", None, True, FAIL),
        ("2025-03-01", None, None, OPEN),
        (None, "2025-06-01", True, OPEN),
    ],
)
def test_i5b_follow_up_lasts_three_calendar_months_and_early_is_open_until_closed(
    mri: str | None, image: str | None, closed: bool | None, expected: Effect
) -> None:
    facts = {"mri": mri, "path": "none", "fu": image, "fu_closed": closed}
    assert effect("I5", **facts) is expected


def test_i5_either_route_is_enough_and_neither_is_not() -> None:
    late = {"mri": "2025-03-01", "path_specimen": "2025-05-01"}
    assert effect("I5", **late, fu="2025-06-01") is PASS
    assert effect("I5", **late, fu="none") is FAIL
    assert effect("I5", **late) is OPEN
    assert effect("I5", path="none", fu="none") is FAIL


def test_i5b_follow_up_after_treatment_shows_no_natural_course() -> None:
    facts = {"mri": "2025-03-01", "path": "none", "fu": "2025-06-01", "fu_treated": True}
    assert effect("I5", **facts) is OPEN
    assert effect("I5", **facts | {"path": None, "path_specimen": "2025-03-02"}) is PASS


@pytest.mark.parametrize(
    ("mri", "reason"),
    [("2028-09-30", "NO_REFERENCE_EVIDENCE"), ("2028-10-01", "WINDOW_TRUNCATED")],
)
def test_i5_a_window_that_the_study_cuts_short_is_no_failure(mri: str, reason: str) -> None:
    facts = {"mri": mri, "path": "none", "fu_closed": True}
    assert evaluate_facts("I5", facts).reason_code == reason


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"prior_tx": "no"}, PASS),
        ({"prior_tx": "yes", "prior_tx_date": "2025-02-28"}, FAIL),
        ({"prior_tx": "yes", "prior_tx_date": "2025-03-01"}, OPEN),
        ({"prior_tx": "yes", "prior_tx_date": "2025-04"}, PASS),
        ({"prior_tx": "yes", "prior_tx_date": "2025-02"}, FAIL),
        ({"prior_tx": "yes", "prior_tx_date": "2025"}, OPEN),
        ({"prior_tx": "yes"}, OPEN),
        ({}, OPEN),
    ],
)
def test_e1_treatment_that_began_before_the_ct_excludes(
    facts: dict[str, object], expected: Effect
) -> None:
    assert effect("E1", ct="2025-03-01", **facts) is expected


@pytest.mark.parametrize(
    ("rating", "expected"),
    [("adequate", PASS), ("limited", PASS), ("inadequate", FAIL), (None, OPEN)],
)
def test_e2_only_a_lesion_that_cannot_be_assessed_excludes(
    rating: str | None, expected: Effect
) -> None:
    assert effect("E2", iq=rating) is expected


@pytest.mark.parametrize(
    ("dx", "route", "expected"),
    [
        ("malignant", "pathology", PASS),
        ("malignant", "followup", FAIL),
        ("malignant", "imaging", FAIL),
        ("malignant", "clinical", FAIL),
        ("malignant", None, OPEN),
        ("benign", "followup", PASS),
        ("benign", "pathology", PASS),
        ("benign", "imaging", FAIL),
        ("benign", "clinical", FAIL),
        ("benign", None, OPEN),
        ("indeterminate", "pathology", FAIL),
        ("indeterminate", None, FAIL),
        (None, None, OPEN),
    ],
)
def test_e3_malignancy_needs_pathology_and_benignity_pathology_or_follow_up(
    dx: str | None, route: str | None, expected: Effect
) -> None:
    assert effect("E3", dx=dx, route=route) is expected


def test_e3_benign_by_pathology_is_accepted_and_flagged() -> None:
    result = evaluate_facts("E3", {"dx": "benign", "route": "pathology"})
    assert result.reason_code == "BENIGN_BY_PATHOLOGY"


@pytest.mark.parametrize(("present", "expected"), [("yes", FAIL), ("no", PASS), (None, OPEN)])
def test_e4_a_focal_inflammatory_lesion_excludes(present: str | None, expected: Effect) -> None:
    assert effect("E4", inflammatory=present) is expected


def test_observed_values_are_differences_and_never_dates() -> None:
    result = evaluate_facts("I4", MRI_OK)
    assert "dce - CT +4 days" in result.observed_value
    assert "2025" not in result.observed_value


@pytest.mark.parametrize(
    ("criterion", "facts", "seen"),
    [
        ("I1", {"birth": "1960-05-01", "ct": "2025-03-06"}, "18 years or older"),
        ("I1", {"birth": "2010-05-01", "ct": "2025-03-06"}, "younger than 18 years"),
        ("E1", {"prior_tx": "no"}, "no earlier treatment"),
        ("E4", {"inflammatory": "yes"}, "inflammatory lesion recorded"),
        ("E4", {"inflammatory": "no"}, "no inflammatory lesion"),
    ],
)
def test_what_was_seen_is_said_where_no_number_or_day_says_it(
    criterion: str, facts: dict[str, object], seen: str
) -> None:
    """Else the wanted text, which stands beside it, reads as if it had been observed."""
    assert evaluate_facts(criterion, facts).observed_value == seen


def test_the_bounds_of_a_partial_date_are_not_told() -> None:
    result = evaluate_facts("I5", {"mri": "2025-03-15", "path": "none", "fu": "2025-06"})
    assert result.observed_value == "no pathology; follow-up - MRI not known to the day"
