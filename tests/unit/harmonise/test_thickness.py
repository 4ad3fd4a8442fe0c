"""Thickness and field strength against the limits of the protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.states import Verdict
from tasks.harmonise.acquisition import count_missing_slices, field_strength_t, orientation_of
from tasks.harmonise.thickness import check_field_strength, check_thickness, slice_thickness_mm
from tests.unit.harmonise.exams import label, rows_of, series
from tests.unit.harmonise.thickness_cases import FIELD_CASES, Case, thickness_cases

MET, NOT_MET, OPEN = Verdict.MET, Verdict.NOT_MET, Verdict.UNDETERMINED
AXIAL = ("ORIGINAL", "PRIMARY", "AXIAL")


@pytest.mark.parametrize(
    ("thickness", "limit", "expected"),
    [
        (5.0, 5.0, MET),
        (5.05, 5.0, MET),
        (5.0501, 5.0, NOT_MET),
        (8.05, 8.0, MET),
        (8.06, 8.0, NOT_MET),
        (None, 5.0, OPEN),
        (50.0, None, None),
    ],
)
def test_a_limit_is_met_with_a_tolerance_of_a_twentieth_millimetre(
    thickness: float | None, limit: float | None, expected: Verdict | None
) -> None:
    assert check_thickness(thickness, limit, "axial", AXIAL) == expected


@pytest.mark.parametrize("orientation", ["coronal", "sagittal", "oblique"])
def test_only_axial_images_have_a_verdict(orientation: str) -> None:
    assert check_thickness(4.0, 5.0, orientation, AXIAL) is None


def test_secondary_images_have_no_verdict_and_dixon_components_have() -> None:
    assert check_thickness(4.0, 5.0, "axial", ("DERIVED", "SECONDARY", "MPR")) is None
    assert check_thickness(4.0, 5.0, "axial", ("DERIVED", "PRIMARY", "W")) == MET


@pytest.mark.parametrize("value", [0.0, -1.0, None])
def test_a_missing_or_zero_thickness_is_unknown_not_replaced_by_spacing(
    value: float | None,
) -> None:
    part = series(1, "t1_vibe_art", SliceThickness=value, SpacingBetweenSlices=4.0)
    assert slice_thickness_mm(part) is None
    assert rows_of(part)[0].thickness_verdict == OPEN


def test_several_thicknesses_in_one_stack_are_unknown() -> None:
    part = series(1, "t1_vibe_art")
    part[0] = replace(part[0], slice_thickness_mm=9.0)
    assert slice_thickness_mm(part) is None


def test_interpolated_slices_keep_their_nominal_thickness_and_a_negative_gap() -> None:
    [row] = rows_of(series(1, "LAVA art", SliceThickness=5.0))
    assert (row.slice_thickness_mm, row.slice_gap_mm) == (5.0, -2.5)


def test_thick_slab_mrcp_has_no_limit() -> None:
    physics: dict[str, Any] = {"ScanningSequence": "SE", "EchoTime": 700.0, "EchoTrainLength": 200}
    [row] = rows_of(series(1, "MRCP thick slab", SliceThickness=50.0, **physics))
    assert (row.label, row.thickness_verdict) == ("MR_MRCP", None)


@pytest.mark.parametrize(
    ("raw", "tesla", "verdict"),
    [
        (1.5, 1.5, MET),
        (1.45, 1.45, MET),
        (1.44, 1.44, NOT_MET),
        (15000.0, 1.5, MET),
        (30000.0, 3.0, MET),
        (0.35, 0.35, NOT_MET),
        (0.0, None, OPEN),
        (None, None, OPEN),
    ],
)
def test_field_strength_over_a_hundred_is_gauss(
    raw: float | None, tesla: float | None, verdict: Verdict
) -> None:
    [facts] = series(1, "t1", MagneticFieldStrength=raw, n_slices=1)
    field = field_strength_t(facts)
    assert field == (None if tesla is None else pytest.approx(tesla))
    assert check_field_strength(field) == verdict


def test_missing_slices_are_counted_from_the_gap() -> None:
    assert count_missing_slices(series(1, "t1", n_slices=8, missing_slice=4)) == 1
    assert count_missing_slices(series(1, "t1", n_slices=8)) == 0
    assert count_missing_slices([]) == 0


@pytest.mark.parametrize(
    ("cosines", "expected"),
    [
        ([1, 0, 0, 0, 1, 0], "axial"),
        ([1, 0, 0, 0, 0, -1], "coronal"),
        ([0, 1, 0, 0, 0, -1], "sagittal"),
        ([1, 0, 0, 0, 0.96, 0.28], "axial"),
        ([1, 0, 0, 0, 0.6, 0.8], "coronal"),
        (None, "unknown"),
    ],
)
def test_the_plane_is_named_after_the_nearest_axis(
    cosines: list[float] | None, expected: str
) -> None:
    assert orientation_of(series(1, "t1", ImageOrientationPatient=cosines)) == expected


@pytest.mark.parametrize("case", thickness_cases(), ids=lambda case: case.name)
def test_every_constructed_case_gets_its_verdict(case: Case) -> None:
    rows = label(list(case.instances)).series
    assert tuple(row.thickness_verdict for row in rows) == case.verdicts


@pytest.mark.parametrize(("raw", "tesla", "verdict"), FIELD_CASES)
def test_field_strength_is_read_in_tesla_or_gauss(
    raw: float | None, tesla: float | None, verdict: Verdict
) -> None:
    [row] = rows_of(series(1, "t1_vibe_fs_tra_art", MagneticFieldStrength=raw))
    assert row.field_strength_t == tesla
    assert check_field_strength(row.field_strength_t) == verdict
