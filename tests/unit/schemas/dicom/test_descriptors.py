"""Only technique words of the closed vocabulary survive cleaning; names never do."""

from __future__ import annotations

import unicodedata
from itertools import product
from pathlib import Path

import pytest
from pypinyin.constants import PINYIN_DICT

from schemas.dicom.contrast_agents import read_agents
from schemas.dicom.descriptor_vocabulary import parse_vocabulary, read_vocabulary
from schemas.dicom.descriptors import clean_descriptor, read_agent_class
from schemas.errors import ContractError

HAN_NAMES = [
    "张三",
    "李四",
    "王小明",
    "欧阳娜娜",
    "刘增强",
    "赵平衡",
    "陈晨",
    "诸葛亮",
    "司马光",
    "李重建",
    "高扫描",
    "周梅",
    "钱学森",
    "孙静",
    "吴平",
]
PINYIN_NAMES = [
    "zhangsan",
    "ZhangSan",
    "zhang_san",
    "wangxiaoming",
    "OuyangNana",
    "li.si",
    "LiuZengqiang",
    "chen-chen",
    "sunjing",
]


@pytest.mark.parametrize("name", HAN_NAMES)
def test_a_han_name_leaves_nothing_beside_a_technique_word(name: str) -> None:
    for template in ("{}动脉期", "动脉期{}", "{} 动脉期", "动脉期_{}", "（{}）动脉期"):
        kept = clean_descriptor(template.format(name)).split()
        assert name not in kept
        assert "动脉期" in kept
        assert set("".join(kept)) & set(name) <= set("动脉期")


@pytest.mark.parametrize("name", PINYIN_NAMES)
def test_a_pinyin_name_leaves_nothing_even_when_glued(name: str) -> None:
    assert clean_descriptor(f"{name}_t1_vibe") == "t1 vibe"
    assert clean_descriptor(f"t1_vibe_{name}") == "t1 vibe"
    assert clean_descriptor(f"{name} 动脉期") == "动脉期"
    assert clean_descriptor(f"{name}20250314 T1") == "t1"


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-14",
        "20250314",
        "2025年3月14日",
        "14/3/25",
        "13812345678",
        "138-1234-5678",
        "138 1234 5678",
        "MRN 00123456",
        "P12-345",
        "110101196504121234",
        "10:30:20s",
        "b1234",
        "1965.04.12",
        "012",
        "12床",
    ],
)
def test_dates_phones_and_record_numbers_leave_nothing(text: str) -> None:
    assert clean_descriptor(text) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MRCP2d_rane", "mrcp 2d rane"),
        ("T2tse", "t2 tse"),
        ("AX DWI b=1000 TE70", "ax dwi b1000 te70"),
        ("ep2d_diff_b50", "ep2d diff b50"),
        ("LIVER 3 PHASE", "liver 3phase"),
        ("20 分钟 肝胆期", "20min 肝胆期"),
        ("肝胆期20min 5.0mm 3T", "肝胆期 20min 5mm 3t"),
        ("ＡＸ　Ｔ１", "ax t1"),
        ("opóźnione żylna", "opoznione zylna"),
        ("Recon 2: +C", "recon +c"),
        ("ABD W/O", "abd without"),
        ("T1 CE", "t1 enhanced"),
        ("T2* map", "t2star map"),
        ("平扫增强", "平扫 增强"),
        ("Arterial Phase5.0B30f", "arterial phase"),
        ("t1_vibe_dixon_W", "t1 vibe dixon w"),
        ("W F", ""),
        ("", ""),
        ("\x00\ufffd", ""),
    ],
)
def test_technique_words_survive_in_one_spelling(text: str, expected: str) -> None:
    assert clean_descriptor(text) == expected


def test_no_word_written_is_a_pinyin_syllable() -> None:
    syllables = {
        "".join(c for c in unicodedata.normalize("NFD", reading) if not unicodedata.combining(c))
        for readings in PINYIN_DICT.values()
        for reading in readings.split(",")
    }
    written = {word for words in read_vocabulary().words.values() for word in words}
    assert len(syllables) > 400
    assert written & syllables == set()


def test_every_word_written_is_its_own_cleaned_form() -> None:
    written = {word for words in read_vocabulary().words.values() for word in words}
    assert {word for word in written if clean_descriptor(word) != word} == set()


def test_words_that_also_name_people_are_never_taken_out_of_a_longer_run() -> None:
    assert clean_descriptor("dixonart") == ""
    assert clean_descriptor("刘增强") == ""
    assert clean_descriptor("腹部增强") == "腹部 增强"


def test_two_pinyin_syllables_in_one_run_leave_nothing() -> None:
    syllables = [
        "zhang",
        "wang",
        "li",
        "zhao",
        "chen",
        "yang",
        "huang",
        "wu",
        "xu",
        "sun",
        "ma",
        "zhu",
        "hu",
        "guo",
        "he",
        "lin",
        "gao",
        "luo",
    ]
    given = [
        "wei",
        "fang",
        "na",
        "min",
        "jing",
        "qiang",
        "lei",
        "jun",
        "yang",
        "yong",
        "yan",
        "jie",
        "juan",
        "tao",
        "ming",
        "chao",
        "lan",
        "ping",
    ]
    for surname, name in product(syllables, given):
        assert clean_descriptor(surname + name) == ""
        assert clean_descriptor(f"{surname} {name}") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("普美显", "gadoxetate"),
        ("钆塞酸二钠注射液 10ml", "gadoxetate"),
        ("Primovist", "gadoxetate"),
        ("EOVIST 0.25", "gadoxetate"),
        ("Gd-EOB-DTPA", "gadoxetate"),
        ("Gd EOB DTPA", "gadoxetate"),
        ("GDEOBDTPA", "gadoxetate"),
        ("Magnevist", "extracellular"),
        ("马根维显", "extracellular"),
        ("gadoterate meglumine", "extracellular"),
        ("加乐显", "extracellular"),
        ("欧乃影", "extracellular"),
        ("莫迪司", "gadobenate"),
        ("MultiHance 15 mL", "gadobenate"),
        ("Omnipaque 350", "iodinated"),
        ("碘海醇", "iodinated"),
        ("优维显", "iodinated"),
        ("OMNIPAQUE350", "iodinated"),
        ("", None),
        ("APPLIED", None),
        ("Primovist or Magnevist", None),
    ],
)
def test_an_agent_is_known_by_any_of_its_names(text: str, expected: str | None) -> None:
    assert read_agent_class(text) == expected


SECTION = "[words]\nreason: a test\nsource: a test\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[words]\nt1\n", 2),
        (SECTION + "T1\n", 4),
        (SECTION + "t1\na b = t1\n", 5),
        (SECTION + "t1\nb = t9\n", 5),
    ],
)
def test_a_vocabulary_with_an_error_is_refused_by_file_and_line(text: str, line: int) -> None:
    with pytest.raises(ContractError) as caught:
        parse_vocabulary(text, "v.txt")
    assert caught.value.where == f"v.txt:{line}"


@pytest.mark.parametrize(
    "row", ["eob,gadoxetate,magic,a,b", "eob,gadoxetate,gadoxetate,,b", "x,y,gadoxetate,a,b"]
)
def test_an_agent_table_with_an_error_is_refused_by_file_and_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"synonym,agent,agent_class,reason,source\nx,y,gadoxetate,a,b\n{row}\n")
    with pytest.raises(ContractError) as caught:
        read_agents(path)
    assert caught.value.where.endswith("a.csv:3")


def test_an_agent_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name,class\n")
    with pytest.raises(ContractError):
        read_agents(path)


def test_an_escape_sequence_of_a_character_set_does_not_eat_the_word_behind_it() -> None:
    assert clean_descriptor("\x1b$)AMRCP 厚层") == clean_descriptor("MRCP 厚层")
