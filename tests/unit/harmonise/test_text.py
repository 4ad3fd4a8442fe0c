"""What a description settles on its own, in the languages that consoles speak."""

from __future__ import annotations

import pytest

from schemas.dicom.descriptors import clean_descriptor
from tasks.harmonise.text import label_string, label_strings


@pytest.mark.parametrize(
    ("description", "modality", "expected"),
    [
        ("肝脏 动脉期 5.0", "CT", "CT_ART"),
        ("上腹部平扫", "CT", "CT_NC"),
        ("门静脉期 1.0mm", "CT", "CT_PVP"),
        ("延迟期 3min", "CT", "CT_DEL"),
        ("腹部增强", "CT", "CT_CE"),
        ("三期增强", "CT", "CT_MULTI"),
        ("动脉期 冠状位重建", "CT", "REFORMAT"),
        ("肺窗", "CT", "OTHER"),
        ("剂量报告", "CT", "NONIMAGE"),
        ("定位像", "CT", "LOCALIZER"),
        ("轴位T1压脂平扫", "MR", "MR_T1_PRE"),
        ("T1 动脉期", "MR", "MR_T1_ART"),
        ("T1WI 肝胆期 20分钟", "MR", "MR_T1_HBP"),
        ("T1 移行期", "MR", "MR_T1_TRANS"),
        ("T1 同反相位", "MR", "MR_T1_IPOP"),
        ("T1 反相位", "MR", "MR_T1_OP"),
        ("T2压脂", "MR", "MR_T2_FS"),
        ("T2 不压脂", "MR", "MR_T2"),
        ("弥散 b800", "MR", "MR_DWI"),
        ("表观扩散系数图", "MR", "MR_ADC"),
        ("胰胆管水成像", "MR", "MR_MRCP"),
        ("减影 动脉期", "MR", "MR_SUB"),
        ("eTHRIVE_dyn SENSE", "MR", "MR_T1_DYN"),
        ("Ax LAVA-Flex HBP 20min", "MR", "MR_T1_HBP"),
        ("t1_vibe_dixon_tra_portal_W", "MR", "MR_T1_PVP"),
        ("sT2W_SPAIR_RT", "MR", "MR_T2_FS"),
        ("Cor FIESTA", "MR", "MR_BSSFP"),
        ("phase arterielle", "CT", "CT_ART"),
        ("Spätphase spat", "CT", "CT_DEL"),
        ("faza żylna", "CT", "CT_PVP"),
        ("sem contraste", "CT", "CT_NC"),
    ],
)
def test_a_clear_description_gets_its_label(description: str, modality: str, expected: str) -> None:
    assert label_string(description, "", modality).label == expected


@pytest.mark.parametrize(
    ("description", "modality"),
    [
        ("ABD/PELVIS", "CT"),
        ("5mm", "CT"),
        ("3 min ABD", "CT"),
        ("t1_vibe_fs_tra", "MR"),
        ("t1_vibe_fs_tra_10min", "MR"),
        ("arterial venous", "CT"),
        ("T1 T2", "MR"),
        ("", "MR"),
        ("动脉期", ""),
        ("articulation", "CT"),
        ("spair", "MR"),
    ],
)
def test_what_text_does_not_settle_is_unclassified(description: str, modality: str) -> None:
    assert label_string(description, "", modality).label == "UNCLASSIFIED"


def test_spair_in_a_t1_name_is_fat_suppression_not_t2() -> None:
    assert label_string("t1_vibe_spair_tra_pre", "", "MR").label == "MR_T1_PRE"


@pytest.mark.parametrize(
    "description",
    ["zhangsan_t1_vibe_art", "张三动脉期", "T1 李四 肝胆期 20min", "Ax T2 STIR 20250101"],
)
def test_raw_and_cleaned_text_get_the_same_label(description: str) -> None:
    raw = label_string(description, "", "MR")
    assert raw == label_string(clean_descriptor(description), "", "MR")
    assert raw.label != "UNCLASSIFIED"


def test_evidence_names_rule_tag_and_matched_word() -> None:
    [answer] = label_strings([{"description": "王五 动脉期", "modality": "CT"}])
    assert answer.evidence == ("PHASE-ART SeriesDescription=动脉期",)


def test_rows_may_lack_vendor_and_modality() -> None:
    assert [a.label for a in label_strings([{"description": "x"}, {}])] == ["UNCLASSIFIED"] * 2
