"""Forms and images that do not speak of the same examinations are findings."""

from __future__ import annotations

import datetime as dt

import pytest

from schemas.clinical_rows import Cell, Missing
from schemas.partial_dates import PartialDate
from schemas.records import CohortLabels
from tasks.eligibility.agreement import check_subject
from tasks.eligibility.imaging_facts import find_baseline_exams
from tests.unit.eligibility.cohort import DCE, join, plain_images, plain_rows, record, row, study

FOLLOW_UP = dt.date(2025, 7, 1)
NONE = CohortLabels(series=(), studies=())


def rules(*changed: dict[str, Cell], images: CohortLabels | None = None) -> list[str]:
    """Return the findings of the plain subject; `changed` are values of demographics."""
    demographics = [row("demographics", **change) for change in changed]
    rest = [one for one in plain_rows() if one.form != "demographics"]
    subject = record([*(demographics or [row("demographics")]), *rest], images or plain_images())
    return [finding.rule_id for finding in check_subject(subject, find_baseline_exams(subject))]


def test_forms_and_images_that_agree_give_no_finding() -> None:
    assert rules() == []


def test_a_subject_without_images_and_one_without_demographics_are_told() -> None:
    alone = record(plain_rows(), NONE)
    assert "ELIG_NO_IMAGES" in {
        found.rule_id for found in check_subject(alone, find_baseline_exams(alone))
    }
    unknown = record([], plain_images())
    assert {found.rule_id for found in check_subject(unknown, find_baseline_exams(unknown))} == {
        "ELIG_NO_DEMOGRAPHICS"
    }


def test_an_exam_called_done_without_day_and_images_is_told() -> None:
    images = plain_images()
    without = CohortLabels(
        series=images.series, studies=tuple(s for s in images.studies if s.role != "dce_mri")
    )
    said: dict[str, Cell] = {"dce_mri_done": "yes", "dce_mri_date": Missing.NOT_ENTERED}
    assert rules(said, images=without) == ["ELIG_EXAM_NOT_RECEIVED"]


def test_an_exam_received_of_which_the_edc_says_nothing_is_told() -> None:
    assert rules({"dce_mri_date": Missing.NOT_ENTERED}) == ["ELIG_EXAM_NOT_IN_EDC"]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (PartialDate.of(FOLLOW_UP), []),
        (PartialDate(2025, 7), []),
        (PartialDate(2025, 7, 2), ["ELIG_FOLLOW_UP_NOT_IN_EDC", "ELIG_FOLLOW_UP_NOT_RECEIVED"]),
    ],
)
def test_a_follow_up_is_matched_by_its_day(day: PartialDate, expected: list[str]) -> None:
    image = study("followup", FOLLOW_UP, {"MR_T2": 5.0})
    subject = record(
        [*plain_rows(), row("follow_up", image_date=day, modality="MR")],
        join(plain_images(), image),
    )
    found = [one.rule_id for one in check_subject(subject, find_baseline_exams(subject))]
    assert found == expected


def test_a_follow_up_by_ultrasound_needs_no_exam() -> None:
    contact = row("follow_up", image_date=PartialDate.of(FOLLOW_UP), modality="US")
    subject = record([*plain_rows(), contact], plain_images())
    assert check_subject(subject, find_baseline_exams(subject)) == []


@pytest.mark.parametrize(
    ("day", "expected"),
    [(dt.date(2024, 11, 14), ["ELIG_BEFORE_RECRUITMENT"]), (dt.date(2024, 11, 15), [])],
)
def test_images_from_before_recruitment_are_told_and_stop_nothing(
    day: dt.date, expected: list[str]
) -> None:
    old = study("other", day, {"MR_T2": 5.0})
    assert rules(images=join(plain_images(), old)) == expected


def test_no_finding_holds_a_date() -> None:
    subject = record([row("demographics", dce_mri_date=PartialDate(2025, 1, 9))], plain_images())
    text = repr(check_subject(subject, find_baseline_exams(subject)))
    assert "2025" not in text
    assert str(DCE) not in text
