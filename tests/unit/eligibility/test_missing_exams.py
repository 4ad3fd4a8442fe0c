"""What has not come, or came on two days, leaves open what it could change; nothing more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace

import pytest

from schemas.clinical_rows import Cell
from schemas.partial_dates import PartialDate
from schemas.records import CohortLabels
from tasks.eligibility.evaluate import CriterionResult
from tasks.eligibility.readings import evaluate_subject
from tasks.eligibility.references import References
from tasks.eligibility.subjects import SubjectRecord
from tasks.reference.judge import judge_subject
from tests.unit.eligibility.cohort import (
    CT,
    CT_LABELS,
    DCE,
    DCE_LABELS,
    DYNAMIC,
    EOB,
    EOB_LABELS,
    SHIFT_DAYS,
    join,
    plain_images,
    plain_rows,
    record,
    row,
    study,
)

DAY = dt.timedelta(days=1)
WITHOUT_EOB = join(study("baseline_ct", CT, CT_LABELS), study("dce_mri", DCE, DCE_LABELS))


def evaluated(subject: SubjectRecord) -> dict[str, dict[str, CriterionResult]]:
    return evaluate_subject(subject, References(subject, judge_subject))


def effects(
    labels: CohortLabels, edc: Mapping[str, Cell] | None = None, *, reading: str = "literal"
) -> dict[str, tuple[str, str]]:
    rows = [r for r in plain_rows() if r.form != "demographics"]
    subject = record([*rows, row("demographics", **(edc or {}))], labels)
    return {
        name: (str(result.effect), result.reason_code)
        for name, result in evaluate_subject(subject, References(subject, judge_subject))[
            reading
        ].items()
    }


def i5(labels: CohortLabels, specimen: dt.date, **edc: Cell) -> tuple[str, str]:
    rows = [r for r in plain_rows() if r.form not in ("demographics", "pathology")]
    rows += [row("demographics", **edc), row("pathology", specimen_date=PartialDate.of(specimen))]
    result = evaluated(record(rows, labels))["literal"]["I5"]
    return str(result.effect), result.reason_code


def test_a_missing_mri_whose_stated_day_is_later_changes_nothing() -> None:
    assert i5(WITHOUT_EOB, DCE + 5 * DAY)[0] == "pass"


def test_a_missing_mri_that_is_stated_earlier_opens_the_window_earlier() -> None:
    earlier = PartialDate.of(DCE - 10 * DAY)
    found = i5(
        WITHOUT_EOB, DCE + 25 * DAY, eob_mri_date=earlier, baseline_ct_date=PartialDate.of(CT)
    )
    assert found == ("undetermined", "EXAM_COULD_CHANGE")
    assert i5(WITHOUT_EOB, DCE + 5 * DAY, eob_mri_date=earlier)[0] == "pass"


def test_a_missing_mri_without_a_stated_day_may_lie_anywhere_in_the_window() -> None:
    rows = [r for r in plain_rows() if r.form not in ("demographics", "pathology")]
    demographics = row("demographics")
    unsaid = replace(
        demographics, values={k: v for k, v in demographics.values.items() if k != "eob_mri_date"}
    )
    late = row("pathology", specimen_date=PartialDate.of(DCE + 25 * DAY))
    result = evaluated(record([*rows, unsaid, late], WITHOUT_EOB))["literal"]["I5"]
    assert (str(result.effect), result.missing_evidence) == (
        "undetermined", ("imaging.eob_mri.date",),
    )  # fmt: skip


def test_an_mri_that_was_not_done_cannot_change_anything() -> None:
    found = i5(WITHOUT_EOB, DCE + 25 * DAY, eob_mri_done="no", eob_mri_date=PartialDate.of(EOB))
    assert found[0] == "pass"


def test_thickness_of_an_mri_that_has_not_come_stays_open() -> None:
    thick = study("dce_mri", DCE, DYNAMIC | {"MR_T1_DEL": 3.0, "MR_T2_FS": 9.0})
    labels = join(study("baseline_ct", CT, CT_LABELS), thick)
    assert effects(labels)["I4"][0] == "undetermined"
    both = join(labels, study("eob_mri", EOB, DYNAMIC | {"MR_T1_TRANS": 3.0, "MR_T1_HBP": 3.0}))
    assert effects(both)["I4"] == ("fail", "T2_TOO_THICK")


def test_an_exam_of_two_days_is_decided_where_both_days_agree() -> None:
    def images(other: dt.date) -> CohortLabels:
        plain = plain_images()
        shifted = (other - dt.timedelta(days=SHIFT_DAYS)).strftime("%Y%m%d")
        studies = [
            replace(s, last_date=shifted) if s.role == "dce_mri" else s for s in plain.studies
        ]
        return replace(plain, studies=tuple(studies))

    named: dict[str, Cell] = {"dce_mri_date": PartialDate.of(DCE)}
    assert effects(images(DCE + DAY), named)["I4"][0] == "pass"
    assert effects(images(CT + 16 * DAY), named)["I4"] == ("undetermined", "EXAM_COULD_CHANGE")


@pytest.mark.parametrize(
    ("reading", "effect"),
    [("literal", "undetermined"), ("dce_with_gadobenate", "pass"), ("dce_with_any_agent", "pass")],
)
def test_d27_says_whether_gadobenate_makes_a_dce_mri(reading: str, effect: str) -> None:
    dce = study("other", DCE, DCE_LABELS)
    dce = replace(
        dce, studies=tuple(replace(s, contrast_agent_class="gadobenate") for s in dce.studies)
    )
    labels = join(
        study("baseline_ct", CT, CT_LABELS), dce, study("eob_mri", EOB, EOB_LABELS, uid="e")
    )
    assert effects(labels, reading=reading)["I4"][0] == effect


def test_d29_dates_exams_by_registration_in_its_reading_only() -> None:
    plain = plain_images()
    registered = (DCE - 20 * DAY - dt.timedelta(days=SHIFT_DAYS)).strftime("%Y%m%d")
    studies = [
        replace(s, registered_date=registered if s.role == "dce_mri" else s.study_date)
        for s in plain.studies
    ]
    labels = replace(plain, studies=tuple(studies))
    unsaid: dict[str, Cell] = {"dce_mri_date": PartialDate(2025)}
    assert effects(labels, unsaid)["I4"][0] == "pass"
    assert effects(labels, edc=unsaid, reading="study_dates")["I4"] == (
        "fail",
        "MRI_OUTSIDE_WINDOW",
    )


def test_lung_and_split_spectrum_images_prove_neither_contrast_nor_its_absence() -> None:
    plain = plain_images()
    series = [
        replace(s, is_diagnostic=False) if s.label in ("CT_ART", "CT_PVP") else s
        for s in plain.series
    ]
    assert effects(replace(plain, series=tuple(series)))["I3"][0] == "undetermined"
