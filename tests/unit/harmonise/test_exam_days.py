"""On which day an exam was made: acquisition before series before study, and what disagrees."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.dicom.features import InstanceFeatures
from tasks.harmonise.findings import label_findings
from tests.unit.harmonise.exams import label, series

ART = "t1_vibe_fs_tra_art"


def study_of(*parts: list[InstanceFeatures]) -> tuple[str | None, str, str | None]:
    [study] = label(*parts).studies
    return study.study_date, study.date_source, study.last_date


def rules_of(*parts: list[InstanceFeatures]) -> set[str]:
    return {finding.rule_id for finding in label_findings(label(*parts), {})}


def dated(acquired: str | None, of_series: str | None, of_study: str, **more: Any) -> Any:
    return series(
        1, ART, AcquisitionDate=acquired, SeriesDate=of_series, StudyDate=of_study, **more
    )


@pytest.mark.parametrize(
    ("acquired", "of_series", "day", "source"),
    [
        ("20250320", "20250310", "20250320", "AcquisitionDate"),
        (None, "20250310", "20250310", "SeriesDate"),
        (None, None, "20250228", "StudyDate"),
        ("", "20250310", "20250310", "SeriesDate"),
        ("19000101", "20250310", "20250310", "SeriesDate"),
    ],
)
def test_each_date_counts_only_when_the_one_before_is_absent(
    acquired: str | None, of_series: str | None, day: str, source: str
) -> None:
    assert study_of(dated(acquired, of_series, "20250228")) == (day, source, None)


def test_one_image_with_an_acquisition_date_dates_the_exam() -> None:
    without = series(2, "t2_tse", AcquisitionDate=None, SeriesDate="20250301")
    assert study_of(dated("20250320", None, "20250301"), without)[0] == "20250320"


def test_dates_more_than_a_day_apart_are_a_finding_and_a_day_is_none() -> None:
    assert "LABEL_EXAM_DATES_DIFFER" in rules_of(dated("20250320", "20250320", "20250228"))
    assert rules_of(dated("20250320", "20250320", "20250319")) == set()


def test_an_exam_over_midnight_is_one_session_of_its_first_day() -> None:
    first = series(1, ART, AcquisitionDate="20250320", AcquisitionTime="235800")
    second = series(2, "t1_vibe_portal", AcquisitionDate="20250321", AcquisitionTime="000300")
    assert study_of(first, second) == ("20250320", "AcquisitionDate", None)
    assert "LABEL_EXAM_ON_TWO_DAYS" not in rules_of(first, second)


def test_series_of_another_day_are_named_and_the_phases_date_the_exam() -> None:
    t2 = series(1, "t2_tse_fs_tra", AcquisitionDate="20250318", ScanningSequence="SE",
                RepetitionTime=3000.0, EchoTime=90.0, EchoTrainLength=20)  # fmt: skip
    arterial = series(2, ART, AcquisitionDate="20250320")
    assert study_of(t2, arterial) == ("20250320", "AcquisitionDate", "20250318")
    assert "LABEL_EXAM_ON_TWO_DAYS" in rules_of(t2, arterial)


def test_a_reformat_of_a_later_day_dates_nothing() -> None:
    late = series(2, ART, AcquisitionDate="20250601", ImageType=["DERIVED", "SECONDARY", "MPR"])
    assert study_of(dated("20250320", None, "20250320"), late) == (
        "20250320", "AcquisitionDate", None,
    )  # fmt: skip


def test_field_strengths_that_cannot_be_are_unknown_and_a_finding() -> None:
    for raw in (10.0, 15.0, 1500.0, 3000.0):
        part = series(1, ART, MagneticFieldStrength=raw)
        assert label(part).studies[0].field_strength_t is None
        assert rules_of(part) == {"LABEL_FIELD_IMPLAUSIBLE"}


def test_the_lowest_field_strength_of_a_study_counts() -> None:
    parts = [series(n, ART, MagneticFieldStrength=t) for n, t in ((1, 3.0), (2, 2.89362))]
    assert label(*parts).studies[0].field_strength_t == 2.89362
