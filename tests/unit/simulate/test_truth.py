"""The answer key's eligibility follows from each story, and its sums close."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tasks.simulate.people.boundary_stories import BOUNDARIES, BoundaryStory
from tasks.simulate.people.clinical_rows import demographics
from tasks.simulate.people.hospitals import HOSPITALS
from tasks.simulate.people.scenarios import Evidence, Scenario
from tasks.simulate.people.stories import STORIES
from tasks.simulate.people.subjects import evidence_by, make_subjects
from tasks.simulate.people.true_eligibility import (
    CRITERIA,
    READINGS,
    true_effects,
    true_status,
)
from tasks.simulate.truth import eligibility_rows
from tests.unit.simulate.conftest import SEED, Delivered

ALL_KNOWN = Evidence(pathology_form=True, follow_up=True)
NO_PATHOLOGY_YET = Evidence(pathology_form=False, follow_up=False)


def effects(evidence: Evidence = ALL_KNOWN, **story: Any) -> dict[str, str]:
    return true_effects(Scenario(name="test", **story), evidence)


def test_a_plain_story_is_eligible() -> None:
    assert true_status(effects()) == "eligible"


@pytest.mark.parametrize(
    ("criterion", "story"),
    [
        ("I1", {"age_years": 17}),
        ("I2", {"detected_by": "MRI"}),
        ("I4", {"eob_day": 16}),
        ("I4", {"dce_day": -16}),
        ("I4", {"dce_day": None}),
        ("I4", {"t1_thickness_mm": 5.06}),
        ("E1", {"prior_treatment": True}),
        ("E2", {"quality": "inadequate"}),
        ("E3", {"route": "imaging", "pathology_day": None, "follow_up_day": 120}),
        ("E4", {"reference_class": "inflammatory"}),
    ],
)
def test_one_deviation_fails_one_criterion(criterion: str, story: dict[str, Any]) -> None:
    found = effects(**story)
    assert [c for c in CRITERIA if found[c] != "pass"] == [criterion]
    assert found[criterion] == "fail"
    assert true_status(found) == "ineligible"


@pytest.mark.parametrize(
    "story",
    [
        {"eob_day": 15},
        {"dce_day": -15},
        {"t1_thickness_mm": 5.05},
        {"age_years": 18},
        {"pathology_day": 0},
        {"pathology_day": 30},
        {"quality": "limited"},
    ],
)
def test_the_boundary_itself_is_inside(story: dict[str, Any]) -> None:
    assert true_status(effects(**story)) == "eligible"


def test_what_nobody_rated_is_undetermined() -> None:
    assert effects(quality=None)["E2"] == "undetermined"


def test_a_late_pathology_form_leaves_three_criteria_undetermined() -> None:
    found = effects(NO_PATHOLOGY_YET)
    assert [c for c in CRITERIA if found[c] == "undetermined"] == ["I5", "E3", "E4"]


def test_an_early_follow_up_that_is_open_is_undetermined_not_failed() -> None:
    found = effects(pathology_day=None, follow_up_day=60, reference_class="cyst", route="followup")
    assert found["I5"] == "undetermined"


def test_a_closed_follow_up_that_ended_too_early_fails() -> None:
    found = effects(
        pathology_day=None,
        follow_up_day=60,
        follow_up_closed=True,
        reference_class="cyst",
        route="followup",
    )
    assert found["I5"] == "fail"


def test_one_gadoxetate_exam_passes_under_the_combined_reading_only() -> None:
    story = Scenario(name="test", dce_day=None)
    assert true_effects(story, ALL_KNOWN)["I4"] == "fail"
    assert true_effects(story, ALL_KNOWN, READINGS["combined_exam"])["I4"] == "pass"


def test_stories_stay_clear_of_the_months_whose_length_decides() -> None:
    days = [s.follow_up_day for s in STORIES if s.follow_up_day is not None and not s.ct_date]
    assert all(day >= 92 or day < 89 for day in days)


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=lambda boundary: boundary.story.name)
def test_a_story_at_a_limit_gets_the_verdict_stated_by_hand(boundary: BoundaryStory) -> None:
    found = true_effects(boundary.story, ALL_KNOWN)
    assert {c: effect for c, effect in found.items() if effect != "pass"} == boundary.differs


def test_no_two_stories_have_one_name() -> None:
    assert len({story.name for story in STORIES}) == len(STORIES)


def test_a_correction_on_the_second_night_changes_the_verdict() -> None:
    story = {"first_entered_detected_by": "MRI"}
    assert effects(Evidence(True, True, corrected=False), **story)["I2"] == "fail"
    assert effects(Evidence(True, True, corrected=True), **story)["I2"] == "pass"


def status_by_subject(delivered: Delivered, night: int) -> dict[str, str]:
    return {
        row["subject_no"]: row["effect"]
        for row in delivered.key("eligibility")
        if (row["criterion"], row["reading"], row["night"]) == ("status", "literal", night)
    }


def test_every_subject_has_nine_criteria_and_a_status_per_night_and_reading(
    delivered: Delivered,
) -> None:
    counts = Counter(
        (row["subject_no"], row["night"], row["reading"]) for row in delivered.key("eligibility")
    )
    assert len(counts) == 9 * 2 * len(READINGS)
    assert set(counts.values()) == {len(CRITERIA) + 1}


def test_the_demo_has_subjects_of_every_status_and_the_second_night_decides_some(
    delivered: Delivered,
) -> None:
    first, second = status_by_subject(delivered, 1), status_by_subject(delivered, 2)
    assert Counter(second.values()) == {"eligible": 4, "ineligible": 4, "undetermined": 1}
    decided = [s for s in first if first[s] == "undetermined" and second[s] == "eligible"]
    assert "LC92-0001" in decided  # by the form that came late
    assert "LC91-0002" in decided  # by the follow-up image


def test_dates_of_a_subject_are_in_order_and_in_the_past_of_the_export(
    delivered: Delivered,
) -> None:
    for (_, export, path), data in delivered.files.items():
        if not path.startswith("clinical/demographics"):
            continue
        lines = data.decode("utf-8-sig").splitlines()
        header = next(line for line in lines if line.startswith("研究编号")).split(",")
        for line in lines[lines.index(",".join(header)) + 1 :]:
            row = dict(zip(header, line.split(","), strict=True))
            found, signed, ct = (
                dt.date(*map(int, row[name].replace("/", "-").split("-")))
                for name in ("首次发现日期", "知情同意日期", "基线CT日期")
            )
            assert found < signed < ct < dt.date.fromisoformat(export)


def test_ages_spread_as_in_a_clinic_and_stay_clear_of_the_limit() -> None:
    people = make_subjects(HOSPITALS[0], site_index=0, per_site=300, seed=SEED)
    ages = {
        malignant: [
            (s.ct_date - s.person.birth_date).days / 365.25
            for s in people
            if s.story.malignant is malignant and s.story.age_years is None
        ]
        for malignant in (True, False)
    }
    malignant, benign = (np.asarray(ages[kind]) for kind in (True, False))
    assert malignant.mean() > benign.mean() + 5
    for found in (malignant, benign):
        assert 8 < found.std() < 14
        assert found.min() > 19


@pytest.mark.parametrize(
    ("name", "stated", "counts"),
    [
        ("retrospective, consent waived", "waived", "waived"),
        ("retrospective, waiver without its document", "waived", "unknown"),
        ("consent unclear", "unknown", "unknown"),
    ],
)
def test_consent_counts_as_stated_and_a_waiver_only_with_its_document(
    name: str, stated: str, counts: str
) -> None:
    story = next(story for story in STORIES if story.name == name)
    [subject] = make_subjects(
        HOSPITALS[0], site_index=0, per_site=1, seed=SEED, change=lambda _place, _story: story
    )
    evidence = evidence_by(subject, 1, late_pathology=False)
    assert demographics(subject, evidence)[0]["consent_status"] == stated
    rows = eligibility_rows(subject, 1, late_pathology=False)
    assert {row["consent"] for row in rows} == {counts}
