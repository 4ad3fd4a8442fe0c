"""An exam is labelled as a whole: text anchors, time and agent decide together."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.states import Verdict
from tasks.harmonise.rules import RULES_VERSION
from tests.builders import make_instance
from tests.unit.harmonise.exams import INJECTION_S, clock, label, labels_of, rows_of, series

START: dict[str, Any] = {"ContrastBolusStartTime": clock(INJECTION_S)}
PRIMOVIST: dict[str, Any] = {"ContrastBolusAgent": "Primovist"}
MAGNEVIST: dict[str, Any] = {"ContrastBolusAgent": "马根维显"}


def test_a_named_phase_with_agreeing_physics_is_accepted() -> None:
    [row] = rows_of(series(1, "t1_vibe_fs_tra_art"))
    assert (row.label, row.label_tier, row.contrast_phase) == ("MR_T1_ART", "A", "art")


def test_a_phase_named_in_chinese_counts_as_one_named_in_english() -> None:
    assert labels_of(series(1, "张三 T1 门脉期")) == ["MR_T1_PVP"]


def test_a_t1_series_that_names_no_phase_stays_unclassified_without_time() -> None:
    [row] = rows_of(series(1, "t1_vibe_fs_tra", at_s=None, AcquisitionTime=None))
    assert (row.label, row.label_tier, row.weighting) == ("UNCLASSIFIED", "none", "T1")


def test_text_that_physics_contradicts_is_a_conflict() -> None:
    [row] = rows_of(series(1, "t2_tse_fs_tra"))
    assert (row.label, row.label_tier) == ("UNCLASSIFIED", "X")


@pytest.mark.parametrize(
    ("at_s", "expected"),
    [
        (-60, "MR_T1_PRE"),
        (25, "MR_T1_ART"),
        (70, "MR_T1_PVP"),
        (180, "MR_T1_DEL"),
        (47, "MR_T1_POST"),
        (400, "MR_T1_DEL"),
        (1000, "MR_T1_POST"),
    ],
)
def test_time_after_injection_names_an_unnamed_t1_only_inside_a_window(
    at_s: float, expected: str
) -> None:
    named = series(1, "t1_vibe_fs_tra_art", at_s=25, **START, **MAGNEVIST)
    unnamed = series(2, "t1_vibe_fs_tra", at_s=at_s, **START, **MAGNEVIST)
    assert labels_of(named, unnamed)[1] == expected


def test_the_same_minutes_are_transitional_with_gadoxetate_and_delayed_without() -> None:
    for agent, expected in ((PRIMOVIST, "MR_T1_TRANS"), (MAGNEVIST, "MR_T1_DEL")):
        assert labels_of(series(1, "t1_vibe_fs_tra", at_s=180, **START, **agent)) == [expected]


def test_unknown_agent_at_three_minutes_is_post_contrast_only() -> None:
    assert labels_of(series(1, "t1_vibe_fs_tra", at_s=180, **START)) == ["MR_T1_POST"]


def test_a_delayed_phase_of_a_gadoxetate_exam_is_called_transitional() -> None:
    rows = rows_of(
        series(1, "T1 动脉期", at_s=25, **PRIMOVIST),
        series(2, "T1 延迟期", at_s=180, **PRIMOVIST),
        series(3, "T1 肝胆期", at_s=1200, **PRIMOVIST),
    )
    assert [row.label for row in rows] == ["MR_T1_ART", "MR_T1_TRANS", "MR_T1_HBP"]


def test_a_delayed_phase_of_a_gadoxetate_exam_without_time_is_a_conflict() -> None:
    [row] = rows_of(series(1, "T1 延迟期", AcquisitionTime=None, **PRIMOVIST))
    assert (row.label, row.label_tier) == ("UNCLASSIFIED", "X")


def test_a_hepatobiliary_phase_with_an_extracellular_agent_is_a_conflict() -> None:
    [row] = rows_of(series(1, "T1 肝胆期", at_s=1200, **MAGNEVIST))
    assert (row.label, row.label_tier) == ("UNCLASSIFIED", "X")


def test_a_named_phase_at_an_impossible_time_is_a_conflict() -> None:
    rows = rows_of(
        series(1, "t1_vibe_fs_tra_pre", at_s=-60, **START),
        series(2, "t1_vibe_fs_tra_art", at_s=25, **START),
        series(3, "t1_vibe_fs_tra_portal", at_s=600, **START),
    )
    assert [(row.label, row.label_tier) for row in rows] == [
        ("MR_T1_PRE", "A"),
        ("MR_T1_ART", "A"),
        ("UNCLASSIFIED", "X"),
    ]


def test_a_phase_out_of_order_is_a_conflict_and_the_others_stand() -> None:
    rows = rows_of(
        series(1, "t1_vibe_fs_tra_pre", at_s=-60),
        series(2, "t1_vibe_fs_tra_portal", at_s=10),
        series(3, "t1_vibe_fs_tra_art", at_s=30),
        series(4, "t1_vibe_fs_tra_art", at_s=40),
    )
    assert [row.label for row in rows] == ["MR_T1_PRE", "UNCLASSIFIED", "MR_T1_ART", "MR_T1_ART"]


def test_an_unnamed_t1_between_two_arterial_phases_is_arterial() -> None:
    parts = [
        series(1, "t1_vibe_fs_tra_art", at_s=20),
        series(2, "t1_vibe_fs_tra", at_s=30),
        series(3, "t1_vibe_fs_tra_art", at_s=40),
    ]
    assert labels_of(*parts) == ["MR_T1_ART"] * 3


def test_an_unnamed_t1_after_the_arterial_phase_is_post_contrast() -> None:
    parts = [series(1, "t1_vibe_fs_tra_art", at_s=20), series(2, "t1_vibe_fs_tra", at_s=180)]
    assert labels_of(*parts) == ["MR_T1_ART", "MR_T1_POST"]


def test_a_time_zero_that_contradicts_the_named_phases_is_not_used() -> None:
    wrong: dict[str, Any] = {"ContrastBolusStartTime": clock(INJECTION_S + 290)}
    rows = rows_of(
        series(1, "t1_vibe_fs_tra_art", at_s=25, **wrong),
        series(2, "t1_vibe_fs_tra_portal", at_s=70, **wrong),
        series(3, "t1_vibe_fs_tra_delayed", at_s=310, **wrong),
    )
    assert [row.label_tier for row in rows] == ["A", "A", "A"]
    assert {row.acquisition_time_offset_s for row in rows} == {None}


def test_phases_inside_one_series_are_labelled_apart() -> None:
    parts = [
        series(
            1,
            "t1_vibe_fs_tra_dyn",
            at_s=at_s,
            AcquisitionNumber=number,
            **START,
            **MAGNEVIST,
        )
        for number, at_s in enumerate((-30, 25, 70, 180), start=1)
    ]
    renamed = [
        [replace(f, sop_uid=f"1.2.{number}.{f.instance_number}") for f in part]
        for number, part in enumerate(parts, start=1)
    ]
    assert sorted(row.label for row in label(*renamed).series) == [
        "MR_T1_ART",
        "MR_T1_DEL",
        "MR_T1_PRE",
        "MR_T1_PVP",
    ]


def test_a_dual_echo_series_is_in_and_opposed_phase_by_echo_time_and_field() -> None:
    physics: dict[str, Any] = {
        "ScanningSequence": "GR",
        "MRAcquisitionType": "2D",
        "RepetitionTime": 120.0,
    }
    opposed = series(1, "t1_fl2d_opp-in", EchoTime=2.3, **physics)
    in_phase = series(2, "t1_fl2d_opp-in", EchoTime=4.6, **physics)
    no_field = series(3, "t1_fl2d_opp-in", EchoTime=2.3, MagneticFieldStrength=None, **physics)
    assert labels_of(opposed, in_phase, no_field) == ["MR_T1_OP", "MR_T1_IP", "MR_T1_IPOP"]


def test_the_dixon_component_of_image_type_beats_the_text() -> None:
    fat = series(1, "t1_vibe_dixon_tra_art_W", ImageType=["DERIVED", "PRIMARY", "F"])
    assert labels_of(fat) == ["MR_T1_FAT"]


def test_diffusion_is_known_by_its_b_value_without_words() -> None:
    part = series(1, "xyz", ScanningSequence=["EP", "SE"], DiffusionBValue=800.0)
    assert labels_of(part) == ["MR_DWI"]


def test_a_reformat_is_never_a_phase() -> None:
    part = series(1, "Arterial Phase MPR", modality="CT", ImageType=["DERIVED", "SECONDARY", "MPR"])
    assert labels_of(part) == ["REFORMAT"]


def test_a_ct_with_an_agent_and_one_acquisition_is_contrast_enhanced() -> None:
    [row] = rows_of(series(1, "Abdomen 5.0", modality="CT", ContrastBolusAgent="碘海醇"))
    assert (row.label, row.label_tier) == ("CT_CE", "B")


def test_of_two_unnamed_ct_acquisitions_only_the_last_is_certainly_enhanced() -> None:
    agent: dict[str, Any] = {"ContrastBolusAgent": "碘海醇"}
    parts = [
        series(1, "Abdomen 5.0", modality="CT", at_s=-60, **agent),
        series(2, "Abdomen 5.0", modality="CT", at_s=30, **agent),
    ]
    assert labels_of(*parts) == ["UNCLASSIFIED", "CT_CE"]


def test_a_second_reconstruction_has_the_phase_of_its_acquisition() -> None:
    thin = series(1, "Abdomen 1.0", modality="CT", at_s=30)
    thick = series(2, "动脉期 5.0", modality="CT", at_s=30)
    assert labels_of(thin, thick) == ["CT_ART", "CT_ART"]


def test_other_modalities_are_unclassified_and_do_not_fail() -> None:
    assert labels_of(series(1, "x", Modality="PT")) == ["UNCLASSIFIED"]


@pytest.mark.parametrize(
    "missing",
    [
        "SeriesDescription",
        "AcquisitionTime",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "EchoTime",
        "RepetitionTime",
        "ImageType",
        "ScanningSequence",
        "MagneticFieldStrength",
        "SliceThickness",
        "Modality",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "PixelSpacing",
        "FrameOfReferenceUID",
        "StudyDate",
        "InstanceNumber",
        "Manufacturer",
    ],
)
def test_no_missing_attribute_stops_labelling(missing: str) -> None:
    text = "t1_vibe_fs_tra_art"
    removed: dict[str, Any] = {} if missing == "SeriesDescription" else {missing: None}
    part = series(1, text if removed else "", **removed)
    result = label(part)
    assert len(result.series) == (0 if missing == "SeriesInstanceUID" else 1)


def test_the_order_of_instances_changes_nothing() -> None:
    parts = [
        series(1, "t1_vibe_fs_tra_pre", at_s=-60, **START),
        series(2, "t1_vibe_fs_tra", at_s=25, **START),
        series(3, "t2_haste_cor_bh"),
    ]
    flat = [f for part in parts for f in part]
    shuffled = list(flat)
    random.Random(7).shuffle(shuffled)
    assert label(shuffled) == label(flat)


def test_every_label_has_evidence_and_a_version() -> None:
    parts = [series(1, "t1_vibe_fs_tra_art"), series(2, "localizer"), series(3, "T1 肝胆期")]
    for row in label(*parts).series:
        assert row.label_evidence
        assert row.mapping_version.startswith(f"{RULES_VERSION}+")


def test_evidence_quotes_no_raw_text() -> None:
    rows = label(series(1, "zhangsan_t1_vibe_art 李四")).series
    assert "zhang" not in str(rows)
    assert "李" not in str(rows)


def test_thickness_is_judged_on_the_label() -> None:
    thin = series(1, "t1_vibe_fs_tra_art", SliceThickness=5.05)
    thick = series(2, "t1_vibe_fs_tra_art", SliceThickness=5.06)
    unknown = series(3, "t1_vibe_fs_tra_art", SliceThickness=None)
    verdicts = [row.thickness_verdict for row in rows_of(thin, thick, unknown)]
    assert verdicts == [Verdict.MET, Verdict.NOT_MET, Verdict.UNDETERMINED]


def test_a_protocol_that_names_the_whole_exam_does_not_label_its_series() -> None:
    part = series(1, "Ax 3D", Manufacturer="GE MEDICAL SYSTEMS", ProtocolName="LIVER MRCP DYN")
    assert labels_of(part) == ["UNCLASSIFIED"]


def mosaic(volume: int, tiles: int | None) -> InstanceFeatures:
    header = make_instance(
        modality="MR", instance=volume, ImageType=["ORIGINAL", "PRIMARY", "DIFFUSION", "MOSAIC"]
    )
    if tiles is not None:
        header.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", tiles)
    return read_features(header)


@pytest.mark.parametrize(("tiles", "n_slices"), [(36, 36), (None, 3)])
def test_slices_of_a_mosaic_are_its_tiles(tiles: int | None, n_slices: int) -> None:
    [row] = rows_of([mosaic(volume, tiles) for volume in (1, 2, 3)])
    assert row.n_slices == n_slices


def test_tiles_are_read_from_a_mosaic_only() -> None:
    plain = make_instance(modality="MR")
    plain.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 36)
    assert read_features(plain).mosaic_tiles is None
