"""Facts from images: roles and labels of harmonisation, days of the images, never guessed."""

from __future__ import annotations

import datetime as dt

import pytest

from schemas.clinical_rows import Cell, Missing
from schemas.partial_dates import PartialDate
from schemas.protocol import choices_of
from schemas.records import CohortLabels
from tasks.eligibility.imaging_facts import find_baseline_exams, imaging_facts
from tests.unit.eligibility.cohort import (
    CT,
    CT_LABELS,
    DCE,
    DCE_LABELS,
    EOB,
    EOB_LABELS,
    join,
    plain_images,
    record,
    row,
    study,
)


def facts(labels: CohortLabels, **edc: Cell) -> dict[str, dict[str, object]]:
    baseline = find_baseline_exams(record([row("demographics", **edc)], labels))
    return imaging_facts(baseline, choices_of("literal"))


def problems(labels: CohortLabels, **edc: Cell) -> list[tuple[str, str]]:
    return list(find_baseline_exams(record([row("demographics", **edc)], labels)).problems)


def test_the_days_of_the_images_come_back_real() -> None:
    found = facts(plain_images())
    assert found["I1"]["ct"] == "2025-03-06"
    assert (found["I4"]["dce"], found["I4"]["eob"]) == ("2025-03-08", "2025-03-10")
    assert found["I5"]["mri"] == "2025-03-08"


def test_contrast_phases_are_counted_by_label() -> None:
    assert facts(plain_images())["I3"]["ct_contrast_phases"] == 2


@pytest.mark.parametrize(
    ("labels", "phases"),
    [
        ({"CT_NC": 5.0}, 0),
        ({"CT_NC": 5.0, "UNCLASSIFIED": 5.0}, None),
        ({"UNCLASSIFIED": 5.0}, None),
        ({"LOCALIZER": 5.0}, None),
        ({"CT_CE": 5.0}, 1),
    ],
)
def test_a_ct_without_contrast_is_only_known_when_nothing_is_unsettled(
    labels: dict[str, float | None], phases: int | None
) -> None:
    images = join(study("baseline_ct", CT, labels), study("dce_mri", DCE, DCE_LABELS))
    assert facts(images)["I3"].get("ct_contrast_phases") == phases


def test_the_ct_that_the_edc_names_is_the_baseline_ct() -> None:
    later = study("followup", dt.date(2025, 3, 9), CT_LABELS | {"CT_DEL": 5.0}, uid="later")
    images = join(plain_images(), later)
    assert facts(images)["I1"]["ct"] == "2025-03-06"
    named = facts(images, baseline_ct_date=PartialDate(2025, 3, 9))
    assert (named["I1"]["ct"], named["I3"]["ct_contrast_phases"]) == ("2025-03-09", 3)


def test_without_a_named_ct_the_earliest_on_or_after_detection_counts() -> None:
    early = study("baseline_ct", dt.date(2025, 1, 5), CT_LABELS)
    images = join(plain_images(), early)
    unnamed: dict[str, Cell] = {"baseline_ct_date": Missing.NOT_ENTERED}
    assert facts(images, **unnamed)["I1"]["ct"] == "2025-01-05"
    found = facts(images, detected_date=PartialDate(2025, 2, 1), **unnamed)
    assert found["I1"]["ct"] == "2025-03-06"


def test_a_tie_between_baseline_cts_is_open_and_a_finding() -> None:
    images = join(plain_images(), study("baseline_ct", CT, CT_LABELS, uid="twin"))
    assert facts(images)["I1"]["ct"] is None
    assert problems(images) == [("ELIG_SEVERAL_EXAMS", "baseline_ct")]


def test_a_day_of_the_edc_without_images_is_open_and_a_finding() -> None:
    wrong = PartialDate(2025, 3, 9)
    assert facts(plain_images(), dce_mri_date=wrong)["I4"]["dce"] is None
    assert problems(plain_images(), dce_mri_date=wrong) == [("ELIG_MRI_DATE_DIFFERS", "dce_mri")]
    assert problems(plain_images(), baseline_ct_date=wrong) == [
        ("ELIG_CT_DATE_DIFFERS", "baseline_ct")
    ]


@pytest.mark.parametrize(
    "edc",
    [
        {"eob_mri_done": "no", "eob_mri_date": Missing.NOT_APPLICABLE},
        {"eob_mri_date": Missing.NOT_DONE},
    ],
)
def test_an_exam_confirmed_not_done_is_none(edc: dict[str, Cell]) -> None:
    images = join(study("baseline_ct", CT, CT_LABELS), study("dce_mri", DCE, DCE_LABELS))
    assert facts(images, **edc)["I4"]["eob"] == "none"


def test_an_exam_said_not_done_of_which_images_came_is_open_and_a_finding() -> None:
    said: dict[str, Cell] = {"eob_mri_done": "no", "eob_mri_date": Missing.NOT_APPLICABLE}
    assert facts(plain_images(), **said)["I4"]["eob"] is None
    assert ("ELIG_EXAM_SAID_NOT_DONE", "eob_mri") in problems(plain_images(), **said)


def test_an_exam_that_never_came_is_not_recorded() -> None:
    images = study("baseline_ct", CT, CT_LABELS)
    assert facts(images, eob_mri_date=Missing.NOT_ENTERED)["I4"]["eob"] is None


def test_each_required_slot_counts_by_its_best_axial_series_and_an_empty_one_is_open() -> None:
    labels = {key: value for key, value in DCE_LABELS.items() if key != "MR_T1_DEL"}
    images = join(
        study("baseline_ct", CT, CT_LABELS),
        study("dce_mri", DCE, labels | {"MR_T1_IP": 8.0}, uid="d"),
        study("eob_mri", EOB, EOB_LABELS | {"MR_T1_HBP": 6.0}, uid="e"),
    )
    assert facts(images)["I4"]["t1_mm"] == [3.0, 3.0, 3.0, None, 3.0, 3.0, 3.0, 3.0, 6.0]


def test_a_coronal_series_fills_no_slot() -> None:
    images = join(
        study("baseline_ct", CT, CT_LABELS),
        study("dce_mri", DCE, DCE_LABELS, orientation="coronal"),
    )
    found = facts(images)["I4"]
    # Four empty slots, and the EOB-MRI that has not come, whose images may be thin or thick.
    assert found["t1_mm"] == [None] * 5
    assert found["t2_mm"] == [None]


@pytest.mark.parametrize(
    ("dce_t", "eob_t", "lowest"),
    [(3.0, 1.5, 1.5), (1.0, None, 1.0), (3.0, None, None), (None, None, None)],
)
def test_the_weaker_magnet_counts_and_an_unknown_one_is_open_unless_the_other_fails(
    dce_t: float | None, eob_t: float | None, lowest: float | None
) -> None:
    images = join(
        study("baseline_ct", CT, CT_LABELS),
        study("dce_mri", DCE, DCE_LABELS, field_t=dce_t),
        study("eob_mri", EOB, EOB_LABELS, field_t=eob_t),
    )
    assert facts(images)["I4"]["field_t"] == lowest


@pytest.mark.parametrize(
    ("labels", "dynamic"),
    [
        (EOB_LABELS, True),
        ({"MR_T1_HBP": 3.0}, False),
        ({"MR_T1_HBP": 3.0, "MR_T1_POST": 3.0}, None),
    ],
)
def test_an_eob_mri_is_dynamic_when_its_arterial_and_portal_phases_are_there(
    labels: dict[str, float | None], dynamic: bool | None
) -> None:
    images = join(study("baseline_ct", CT, CT_LABELS), study("eob_mri", EOB, labels))
    assert facts(images)["I4"]["eob_dynamic"] is dynamic


def test_the_baseline_mri_is_the_earlier_within_its_window() -> None:
    early = study("dce_mri", dt.date(2025, 2, 1), DCE_LABELS)
    images = join(study("baseline_ct", CT, CT_LABELS), early, study("eob_mri", EOB, EOB_LABELS))
    found = facts(images, dce_mri_date=PartialDate(2025, 2, 1))
    assert found["I5"]["mri"] == EOB.isoformat()
