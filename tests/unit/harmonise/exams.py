"""Exams for tests: sub-stacks in memory with the headers that decide a label."""

from __future__ import annotations

from typing import Any

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.records import CohortLabels, SeriesLabel
from tasks.harmonise.exam import label_instances
from tests.builders import make_series

INJECTION_S = 10 * 3600


def clock(seconds: float) -> str:
    """Return a TM value for seconds since midnight."""
    whole = int(seconds)
    return f"{whole // 3600:02d}{whole % 3600 // 60:02d}{whole % 60:02d}.000000"


def series(
    number: int,
    description: str,
    *,
    at_s: float | None = None,
    modality: str = "MR",
    subject_id: str | None = "S91-AAAAAAAA",
    n_slices: int = 4,
    **elements: Any,
) -> list[InstanceFeatures]:
    """Return the features of one series acquired `at_s` seconds after injection."""
    if at_s is not None:
        elements["AcquisitionTime"] = clock(INJECTION_S + at_s)
    slices = make_series(
        series=number,
        modality=modality,
        n_slices=n_slices,
        SeriesDescription=description,
        **elements,
    )
    return [read_features(header, subject_id=subject_id) for header in slices]


def labels_of(*parts: list[InstanceFeatures]) -> list[str]:
    """Return the labels in the order in which the series were given."""
    return [row.label for row in rows_of(*parts)]


def rows_of(*parts: list[InstanceFeatures]) -> list[SeriesLabel]:
    """Return the first row of each series, in the order in which they were given."""
    result = label(*parts)
    by_uid = {row.series_uid: row for row in reversed(result.series)}
    return [by_uid[part[0].series_uid or ""] for part in parts]


def label(*parts: list[InstanceFeatures]) -> CohortLabels:
    """Label the exam that the series make up."""
    return label_instances([features for part in parts for features in part])
