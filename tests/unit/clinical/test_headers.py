"""Columns are known by heading; what a site types around it makes no difference."""

from __future__ import annotations

import pytest

from schemas.states import ReasonCode
from tasks.clinical.form_contracts import FormContract, read_form_contracts
from tasks.clinical.headers import map_headings
from tasks.clinical.raw_form import FormRefusedError


def diagnosis() -> FormContract:
    return read_form_contracts()["diagnosis"]


PLAIN = ["研究编号", "病灶编号", "肝段", "最大径", "最终诊断", "诊断依据", "是否炎症性病变"]


@pytest.mark.parametrize(
    "heading",
    ["最大径", " 最大径 ", "最大径(mm)", "最大径（mm）", "Diameter_MM", "ｄｉａｍｅｔｅｒ ｍｍ"],
)
def test_width_case_spaces_and_the_unit_make_no_difference(heading: str) -> None:
    columns = map_headings(diagnosis(), [heading, *PLAIN[:3], *PLAIN[4:]])
    assert [c.index for c in columns.columns if c.field.name == "diameter_mm"] == [0]


def test_a_column_in_centimetres_is_turned_into_millimetres() -> None:
    columns = map_headings(diagnosis(), [*PLAIN[:3], "最大径（cm）", *PLAIN[4:]])
    factors = {column.field.name: column.factor for column in columns.columns}
    assert factors["diameter_mm"] == 10


def test_a_column_in_an_unknown_unit_refuses_the_form() -> None:
    with pytest.raises(FormRefusedError, match="unit other than mm"):
        map_headings(diagnosis(), [*PLAIN[:3], "最大径(inch)", *PLAIN[4:]])


def test_a_missing_required_column_refuses_the_form_and_is_named() -> None:
    with pytest.raises(FormRefusedError, match="最终诊断") as refusal:
        map_headings(diagnosis(), [*PLAIN[:4], *PLAIN[5:]])
    assert refusal.value.reason is ReasonCode.UNREADABLE_FORM


def test_a_field_under_two_headings_refuses_the_form() -> None:
    with pytest.raises(FormRefusedError, match="stands twice"):
        map_headings(diagnosis(), [*PLAIN, "直径"])


def test_an_unknown_column_is_set_apart_with_the_nearest_heading() -> None:
    columns = map_headings(diagnosis(), [*PLAIN, "LI-RADS分类结果", "张三"])
    assert columns.unknown == ((7, "LI-RADS分类"), (8, ""))


def test_the_order_of_columns_changes_nothing() -> None:
    forward, backward = map_headings(diagnosis(), PLAIN), map_headings(diagnosis(), PLAIN[::-1])
    assert {c.field.name: PLAIN[c.index] for c in forward.columns} == {
        c.field.name: PLAIN[::-1][c.index] for c in backward.columns
    }


def test_a_missing_required_column_names_the_column_most_like_it_by_number() -> None:
    headings = [*PLAIN[:4], "最终的诊断", *PLAIN[5:]]
    with pytest.raises(FormRefusedError, match=r"最终诊断 \(column 5 is nearest\)") as refusal:
        map_headings(diagnosis(), headings)
    assert "最终的诊断" not in str(refusal.value)


def test_columns_without_a_heading_are_set_apart() -> None:
    assert map_headings(diagnosis(), [*PLAIN, "", " "]).unnamed == (7, 8)


def test_the_name_of_a_field_and_the_heading_of_the_blanks_are_accepted() -> None:
    headings = [
        "subject_no",
        "病灶编号 lesion_no",
        "segment",
        "最大径 diameter_mm (mm)",
        *PLAIN[4:],
    ]
    columns = map_headings(diagnosis(), headings)
    assert len(columns.columns) == len(PLAIN)
