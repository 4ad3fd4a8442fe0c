"""One cell: codes, numbers, and the kinds of missing, each kept apart."""

from __future__ import annotations

import pytest

from schemas.clinical_rows import Missing
from schemas.subject_numbers import normalise_subject_no
from tasks.clinical.form_contracts import FieldContract, read_form_contracts
from tasks.clinical.values import expected_of, parse_cell


def field(form: str, name: str) -> FieldContract:
    return read_form_contracts()[form].field(name)


@pytest.mark.parametrize("typed", ["no", "NO", "否", "2", "2=否", "2 = 否", "２＝否", "无", "2=no"])
def test_a_code_comes_as_code_number_or_label(typed: str) -> None:
    assert parse_cell(field("treatment", "prior_treatment"), typed) == "no"


@pytest.mark.parametrize("typed", ["1=否", "3", "maybe", "2=", "否定", "是/否"])
def test_a_code_that_contradicts_itself_or_the_list_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="code"):
        parse_cell(field("treatment", "prior_treatment"), typed)


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("UK", Missing.UNKNOWN),
        ("未知", Missing.UNKNOWN),
        ("ND", Missing.NOT_DONE),
        ("未做", Missing.NOT_DONE),
        ("NA", Missing.NOT_APPLICABLE),
        ("n/a", Missing.NOT_APPLICABLE),
        ("", Missing.NOT_ENTERED),
        ("  ", Missing.NOT_ENTERED),
    ],
)
@pytest.mark.parametrize("name", ["specimen_date", "lesion_no", "procedure"])
def test_the_kinds_of_missing_are_kept_apart(name: str, typed: str, kind: Missing) -> None:
    assert parse_cell(field("pathology", name), typed) is kind


def test_a_code_outranks_a_missing_code_of_the_same_sound() -> None:
    assert parse_cell(field("demographics", "sex"), "U") == "U"


@pytest.mark.parametrize(("typed", "number"), [("1", 1), ("01", 1), ("2.0", 2), ("９", 9)])
def test_a_whole_number_is_read_exactly(typed: str, number: int) -> None:
    assert parse_cell(field("diagnosis", "lesion_no"), typed) == number


@pytest.mark.parametrize("typed", ["0", "100", "1.5", "one", "1e1", "-1"])
def test_a_number_outside_its_range_or_form_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"number|range"):
        parse_cell(field("diagnosis", "lesion_no"), typed)


def test_centimetres_become_millimetres() -> None:
    assert parse_cell(field("diagnosis", "diameter_mm"), "2.4", factor=10) == pytest.approx(24)


def test_a_reader_is_a_code_and_never_a_name() -> None:
    rater = field("image_quality", "rater_id")
    assert parse_cell(rater, "R01") == "R01"
    for name in ("张三", "zhang san", "Zhang"):
        with pytest.raises(ValueError, match="form"):
            parse_cell(rater, name)


@pytest.mark.parametrize(
    ("typed", "number"), [("S91-0001", "S91-0001"), (" ０００１ ", "0001"), ("lc.7", "lc.7")]
)
def test_a_subject_number_keeps_case_and_leading_zeros(typed: str, number: str) -> None:
    assert normalise_subject_no(typed) == number


@pytest.mark.parametrize("typed", ["", "1.0", "1.2E+10", "3.20102E+17", "张三", "A B", "x" * 40])
def test_a_number_that_a_spreadsheet_spoilt_is_not_usable(typed: str) -> None:
    assert normalise_subject_no(typed) is None


def test_what_a_column_accepts_can_be_said_to_a_site() -> None:
    assert expected_of(field("treatment", "prior_treatment")) == "1=是 / 2=否"
    assert expected_of(field("diagnosis", "diameter_mm")) == "decimal 1-400 mm"
    assert expected_of(field("pathology", "specimen_date")) == "YYYY-MM-DD"
