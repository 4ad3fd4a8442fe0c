"""The phase matrix and the thickness table of a site."""

from __future__ import annotations

import pytest

from tasks.report.completeness import (
    SLOTS,
    complete_matrix,
    series_state,
    tabulate_thickness,
    total_slots,
)
from tasks.report.tables import SeriesRow, StudyRow, SubjectRow

SUBJECT = SubjectRow("S91-A", "S91", "F", 61.0, None, "US")


def series(label: str = "MR_T1_ART", study: str = "dce", **changes: object) -> SeriesRow:
    values: dict[str, object] = {
        "series_uid": f"{study}.{label}",
        "sub_stack_digest": "d",
        "study_uid": study,
        "subject_id": "S91-A",
        "label": label,
        "label_tier": "A",
        "weighting": "T1",
        "orientation": "axial",
        "conversion_verdict": "OK",
        "conversion_codes": (),
        "n_slices": 40,
        "acquisition_time_offset_seconds": None,
        "batch_id": "b",
        "n_missing_slices": 0,
        "slice_thickness_mm": 3.0,
        "thickness_limit_mm": 5.0,
        "thickness_verdict": "met",
        "frame_of_reference_uid": "1.9",
    }
    return SeriesRow(**(values | changes))  # type: ignore[arg-type]  # values are of mixed type


def study(uid: str, modality: str, role: str) -> StudyRow:
    return StudyRow(uid, "S91-A", modality, role, None, None, None, None, 3.0, None)


def cells(*members: SeriesRow) -> dict[tuple[str, str], str]:
    studies = [
        study("ct", "CT", "baseline_ct"),
        study("dce", "MR", "dce_mri"),
        study("eob", "MR", "eob_mri"),
        study("late", "MR", "followup"),
    ]
    (row,) = complete_matrix([SUBJECT], studies, members)
    return {(slot.exam, slot.title): state for slot, state in zip(SLOTS, row.cells, strict=True)}


def test_a_series_fills_the_slot_of_its_exam_and_label_and_no_other() -> None:
    filled = {key for key, state in cells(series()).items() if state != "absent"}
    assert filled == {("dce_mri", "ART")}


def test_a_series_of_a_follow_up_exam_fills_no_slot_of_the_baseline() -> None:
    assert set(cells(series(study="late")).values()) == {"absent"}


def test_t2_counts_from_either_mri_with_or_without_fat_suppression() -> None:
    for study, label in (("dce", "MR_T2"), ("eob", "MR_T2_FS")):
        assert cells(series(label, study))["any_mri", "T2"] == "ok"


def test_the_best_series_of_a_slot_counts() -> None:
    thick = series(thickness_verdict="not_met", slice_thickness_mm=6.0)
    assert cells(thick, series())["dce_mri", "ART"] == "ok"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ok"),
        ({"thickness_verdict": "not_met"}, "thick"),
        ({"thickness_verdict": "undetermined"}, "unknown"),
        ({"thickness_verdict": None}, "unknown"),
        ({"thickness_limit_mm": None, "thickness_verdict": None}, "ok"),
        ({"n_missing_slices": 1}, "gaps"),
        ({"conversion_verdict": "QUARANTINE"}, "gaps"),
    ],
)
def test_a_cell_says_what_is_wrong_with_its_series(changes: dict[str, object], state: str) -> None:
    assert series_state(series(**changes)) == state  # type: ignore[arg-type]  # of mixed type


def test_a_subject_without_any_image_has_a_row_of_absent_cells() -> None:
    (row,) = complete_matrix([SUBJECT], [], [])
    assert set(row.cells) == {"absent"}


def test_every_subject_is_expected_in_every_slot() -> None:
    totals = total_slots(complete_matrix([SUBJECT], [], []))
    assert {(one.received, one.expected) for one in totals} == {(0, 1)}


def test_within_above_and_unknown_sum_to_the_series_under_a_limit() -> None:
    (row,) = tabulate_thickness(
        [
            series(),
            series(thickness_verdict="not_met", slice_thickness_mm=6.0),
            series(thickness_verdict="undetermined", slice_thickness_mm=None),
            series(thickness_limit_mm=None, thickness_verdict=None),
        ]
    )
    assert (row.n, row.within, row.above, row.unknown) == (3, 1, 1, 1)
    assert (row.median_mm, row.largest_mm) == (4.5, 6.0)


def test_t1_and_t2_stand_in_rows_of_their_own() -> None:
    rows = tabulate_thickness([series(weighting="T2", thickness_limit_mm=8.0), series()])
    assert [(row.weighting, row.limit_mm) for row in rows] == [("T1", 5.0), ("T2", 8.0)]
