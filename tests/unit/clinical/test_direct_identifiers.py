"""Direct identifiers stand in linkage.csv alone: column or value, the form is set aside."""

from __future__ import annotations

import pytest

from schemas.states import ReasonCode
from tasks.clinical.direct_identifiers import identifier_kind_of_heading, identifier_kind_of_value
from tasks.clinical.raw_form import FormRefusedError
from tests.unit.clinical.forms import form_row, form_text, read_rows, read_text

VALID_ID = "11010519491231002X"
MOBILE = "13912345678"


@pytest.mark.parametrize(
    "heading",
    ["姓名", " 姓 名 ", "住院号", "身份证号", "联系电话（手机）", "Patient Name", "PatientID"],
)
def test_a_column_of_identifiers_is_known_by_its_heading(heading: str) -> None:
    assert identifier_kind_of_heading(heading)


@pytest.mark.parametrize("heading", ["研究编号", "病灶编号", "性别", "取材日期"])
def test_a_column_of_the_study_is_no_identifier(heading: str) -> None:
    assert identifier_kind_of_heading(heading) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (VALID_ID, "resident_id_18"),
        (VALID_ID.lower(), "resident_id_18"),
        (f"患者身份证{VALID_ID}。", "resident_id_18"),
        ("１１０１０５１９４９１２３１００２Ｘ", "resident_id_18"),
        (MOBILE, "mobile_11"),
        ("电话139-1234-5678", "mobile_11"),
        ("+86 13912345678", "mobile_11"),
    ],
)
def test_an_identifying_value_is_found_wherever_it_stands(text: str, kind: str) -> None:
    assert identifier_kind_of_value(text) == kind


@pytest.mark.parametrize(
    "text", ["110105194912310021", "2025-03-06", "23.5", "12345678901", "9913912345678", "LC-0001"]
)
def test_other_digits_are_no_identifier(text: str) -> None:
    assert identifier_kind_of_value(text) is None


def test_a_form_with_a_name_column_is_refused_naming_the_column_only() -> None:
    text = form_text("pathology", [form_row("pathology")], more=["姓名"])
    with pytest.raises(FormRefusedError, match="column 10 holds person_name") as refusal:
        read_text("pathology", text)
    assert refusal.value.reason is ReasonCode.DIRECT_IDENTIFIER_COLUMN


def test_a_form_with_a_resident_number_in_its_text_is_refused_without_quoting_it() -> None:
    with pytest.raises(FormRefusedError, match="column 9 holds resident_id_18") as refusal:
        read_rows("pathology", form_row("pathology", verbatim=f"送检 {VALID_ID}"))
    assert VALID_ID not in str(refusal.value)
