"""Faults of what happened to a person: the true verdict follows, in forms and in images."""

from __future__ import annotations

import pytest

from tasks.simulate.faults.story_faults import STORY_FAULTS
from tasks.simulate.nights import PlannedNight, Request, plan_nights
from tests.unit.simulate.conftest import SEED


def nights(*faults: str) -> list[PlannedNight]:
    return list(plan_nights(Request(sites=1, subjects=1, nights=2, seed=SEED, faults=faults)))


def effect(night: PlannedNight, criterion: str) -> object:
    [row] = [
        row
        for row in night.eligibility
        if (row["criterion"], row["reading"]) == (criterion, "literal")
    ]
    return row["effect"]


@pytest.mark.parametrize(
    ("fault", "criterion", "expected"),
    [
        ("thickness_over_limit", "I4", "fail"),
        ("field_1t", "I4", "fail"),
        ("field_in_kilogauss", "I4", "undetermined"),
        ("unenhanced_ct", "I3", "fail"),
        ("missing_phases", "I4", "undetermined"),
        ("eob_without_hbp", "I4", "undetermined"),
        ("late_mri", "I4", "fail"),
        ("late_pathology", "I5", "undetermined"),
        ("early_follow_up", "I5", "fail"),
        ("window_cut_short", "I5", "undetermined"),
    ],
)
def test_a_story_fault_changes_the_criterion_it_is_about(
    fault: str, criterion: str, expected: str
) -> None:
    _, clean = nights()
    _, faulted = nights(fault)
    assert effect(clean, criterion) == "pass"
    assert effect(faulted, criterion) == expected


def test_a_typing_error_is_corrected_on_the_second_night() -> None:
    first, second = nights("form_correction")
    assert (effect(first, "I2"), effect(second, "I2")) == ("fail", "pass")
    written = [
        row["value"]
        for night in (first, second)
        for row in night.export.answers
        if row["field"] == "detected_by"
    ]
    assert written == ["MRI", "US"]


def test_a_withdrawal_stands_in_the_second_nights_form_and_in_the_answer_key() -> None:
    first, second = nights("consent_withdrawn")
    stated = [
        {row["value"] for row in night.export.answers if row["field"] == "consent_status"}
        for night in (first, second)
    ]
    assert stated == [{"consented"}, {"withdrawn"}]
    assert {row["consent"] for row in second.eligibility} == {"withdrawn"}


def test_a_site_whose_subject_came_near_the_end_of_the_study_exports_after_it() -> None:
    usual, _ = nights()
    late, _ = nights("window_cut_short")
    assert (usual.export.name, late.export.name) == ("2026-11-20", "2029-04-02")


@pytest.mark.parametrize("fault", ["missing_phases", "eob_without_hbp"])
def test_a_missing_phase_is_in_no_image(fault: str) -> None:
    [(role, label)] = STORY_FAULTS[fault][1]["missing_slots"]
    first, _ = nights(fault)
    labels = {row["label"] for row in first.export.labels if row["role"] == role}
    assert labels
    assert label not in labels


def test_each_story_fault_names_the_subject_who_has_it() -> None:
    request = Request(
        sites=1, subjects=len(STORY_FAULTS), nights=2, seed=SEED, faults=tuple(STORY_FAULTS)
    )
    first = next(iter(plan_nights(request)))
    noted = {str(row["fault"]): row["subject_no"] for row in first.export.faults}
    assert noted.keys() == STORY_FAULTS.keys()
    assert len(set(noted.values())) == len(STORY_FAULTS)
