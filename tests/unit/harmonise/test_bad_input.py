"""Whatever a header lacks or claims: never a crash, never a guess."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

import pytest
from pydicom.dataset import Dataset

from schemas.dicom.features import InstanceFeatures, read_features
from tasks.harmonise.exam import label_instances
from tests.builders import make_instance
from tests.unit.harmonise.exams import label, labels_of, rows_of, series

NAME = "t1_vibe_fs_tra"
UNDECIDED = {"UNCLASSIFIED", "MR_T1_POST"}


def moved(part: list[InstanceFeatures], **values: Any) -> list[InstanceFeatures]:
    return [replace(m, **values) for m in part]


def dynamic(shift_s: float = 0.0, **values: Any) -> list[list[InstanceFeatures]]:
    """Return an unnamed dynamic with a stated start of injection, all clocks moved."""
    return [
        moved(
            series(number, NAME, at_s=at_s, ContrastBolusAgent="马根维显"),
            acquisition_time_s=(36_000 + at_s + shift_s) % 86_400,
            contrast_start_time_s=(36_000 + shift_s) % 86_400,
            **values,
        )
        for number, at_s in enumerate((-60.0, 28.0, 68.0, 185.0), start=1)
    ]


PHASES = ["MR_T1_PRE", "MR_T1_ART", "MR_T1_PVP", "MR_T1_DEL"]


@pytest.mark.parametrize(
    "broken",
    [
        {"echo_time_ms": 0.0},
        {"repetition_time_ms": 1e9},
        {"repetition_time_ms": 0.0},
        {"flip_angle_deg": -10.0},
        {"b_value": -1.0},
        {"field_strength_raw": 1e12},
        {"slice_thickness_mm": -5.0},
        {"echo_train_length": -1},
        {"orientation_lps": (0.0,) * 6},
        {"orientation_lps": (9.9,) * 6},
        {"pixel_spacing_mm": (0.0, 0.0)},
        {"trigger_time_ms": -1e9},
    ],
)
def test_an_absurd_value_neither_stops_nor_names_a_phase(broken: dict[str, Any]) -> None:
    part = moved(series(1, NAME, at_s=25), **broken)
    assert set(labels_of(part)) <= UNDECIDED


@pytest.mark.parametrize("time_s", [-5.0, 86_401.0, 1e9])
def test_an_absurd_time_names_no_phase(time_s: float) -> None:
    part = moved(series(1, NAME), acquisition_time_s=time_s, contrast_start_time_s=0.0)
    assert set(labels_of(part)) <= UNDECIDED


def test_an_empty_header_and_one_of_wrong_types_are_read_without_a_crash() -> None:
    wrong = make_instance(modality="MR")
    wrong.add_new("SeriesDescription", "SQ", [Dataset()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of the value it is given here
        wrong.add_new("AcquisitionTime", "TM", "not a time")
        wrong.add_new("EchoTime", "LO", "many")
    for header in (Dataset(), wrong):
        label_instances([read_features(header)])


def test_a_series_of_one_image_and_one_of_ten_thousand_are_labelled() -> None:
    [first] = series(1, "t1_vibe_fs_tra_art", at_s=25, n_slices=1)
    many = [
        replace(first, sop_uid=f"1.2.{k}", position_lps=(0.0, 0.0, 0.5 * k)) for k in range(10_000)
    ]
    start = time.process_time()
    assert labels_of([first]) == labels_of(many) == ["MR_T1_ART"]
    assert time.process_time() - start < 10.0


@pytest.mark.parametrize("shift_s", [0.0, 50_300.0, 50_420.0])
@pytest.mark.parametrize("dated", [True, False])
def test_an_exam_over_midnight_is_one_exam(shift_s: float, dated: bool) -> None:
    parts = dynamic(shift_s)
    if dated:
        days = [int((36_000 + at + shift_s) // 86_400) for at in (-60, 28, 68, 185)]
        parts = [
            moved(p, acquisition_date=f"2024022{8 + day}")
            for p, day in zip(parts, days, strict=True)
        ]
    else:
        parts = [moved(p, acquisition_date=None) for p in parts]
    assert labels_of(*parts) == PHASES


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_clock_set_during_the_exam_is_not_believed(step_s: float) -> None:
    parts = dynamic(-36_000.0 + 2 * 3600.0)
    parts[3] = moved(parts[3], acquisition_time_s=2 * 3600.0 + 185.0 + step_s)
    assert set(labels_of(*parts)) <= UNDECIDED


def test_two_agents_name_neither_a_delayed_nor_a_transitional_phase() -> None:
    parts = dynamic()
    parts[0] = moved(parts[0], agent_class="gadoxetate")
    assert labels_of(*parts)[3] == "MR_T1_POST"


def test_no_agent_names_neither_a_delayed_nor_a_transitional_phase() -> None:
    assert labels_of(*dynamic(agent_class=None))[3] == "MR_T1_POST"


def test_phases_that_share_one_stamp_are_told_apart_by_trigger_time() -> None:
    parts = [
        moved(
            p,
            acquisition_time_s=35_940.0,
            trigger_time_ms=(at + 60.0) * 1000,
            temporal_position=n,
        )
        for n, (p, at) in enumerate(zip(dynamic(), (-60, 28, 68, 185), strict=True))
    ]
    assert labels_of(*parts) == PHASES


def test_phases_that_share_one_stamp_without_delays_get_no_phase_from_it() -> None:
    parts = [
        moved(p, acquisition_time_s=36_030.0, temporal_position=n) for n, p in enumerate(dynamic())
    ]
    assert set(labels_of(*parts)) == {"UNCLASSIFIED"}


def test_an_arterial_scan_after_which_the_dynamic_was_begun_anew_is_open() -> None:
    names = ("pre", "art", "pre", "art", "portal", "delayed")
    scans = [
        series(n, f"t1_vibe_fs_tra_{name}", at_s=at_s)
        for n, (name, at_s) in enumerate(zip(names, (-660, -572, -60, 28, 68, 185), strict=True))
    ]
    found = label(*scans)
    assert labels_of(*scans) == [
        "MR_T1_PRE", "UNCLASSIFIED", "MR_T1_PRE", "MR_T1_ART", "MR_T1_PVP", "MR_T1_DEL",
    ]  # fmt: skip
    assert [note.rule_id for note in found.notes] == ["LABEL_DYNAMIC_REPEATED"]


def test_plain_on_every_scan_of_what_looks_like_four_phases_names_none() -> None:
    scans = [
        series(n, "Abdomen plain 5.0", at_s=at_s, modality="CT")
        for n, at_s in enumerate((-60, 35, 70, 180), 1)
    ]
    assert labels_of(*scans) == ["UNCLASSIFIED"] * 4


def test_plain_on_two_scans_of_a_native_exam_stands() -> None:
    scans = [
        series(n, "Abdomen plain 5.0", at_s=at_s, modality="CT") for n, at_s in enumerate((0, 228))
    ]
    assert labels_of(*scans) == ["CT_NC", "CT_NC"]


def test_one_name_copied_to_all_phases_is_no_evidence() -> None:
    named = [
        moved(p, series_description="t1 vibe fs tra art", series_uid=f"1.2.{n}")
        for n, p in enumerate(dynamic())
    ]
    assert labels_of(*named) == PHASES


def test_the_order_of_series_numbers_means_nothing() -> None:
    parts = [moved(p, series_number=n) for p, n in zip(dynamic(), (9, 2, 7, 1), strict=True)]
    assert labels_of(*parts) == PHASES


def test_bolus_tracking_gives_time_zero_when_the_header_has_none() -> None:
    tracking = series(9, "care bolus cor", at_s=0.0, n_slices=6)
    tracking = [
        replace(m, acquisition_time_s=36_000.0 + 4.0 * k, position_lps=(0.0, 0.0, 0.0))
        for k, m in enumerate(tracking)
    ]
    parts = [moved(p, contrast_start_time_s=None) for p in dynamic()]
    rows = rows_of(*parts, tracking)
    assert [row.label for row in rows] == [*PHASES, "MR_BOLUS"]
    assert "TIME-ZERO-TRACKING AcquisitionTime" in rows[1].label_evidence
    assert {row.acquisition_time_offset_s for row in rows} == {None}


def test_several_arterial_phases_are_all_arterial() -> None:
    early = moved(dynamic()[1], series_uid="1.2.7", acquisition_time_s=36_020.0)
    late = moved(dynamic()[1], series_uid="1.2.8", acquisition_time_s=36_036.0)
    assert labels_of(*dynamic(), early, late) == [*PHASES, "MR_T1_ART", "MR_T1_ART"]


def test_every_row_of_an_exam_of_broken_parts_has_a_tier() -> None:
    parts = [moved(p, acquisition_time_s=None, image_type=()) for p in dynamic()]
    assert {row.label_tier for row in label(*parts).series} <= {"none", "C", "X"}
