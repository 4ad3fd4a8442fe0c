"""Bytes to text: a byte order mark, strict UTF-8, strict GB18030, or refused."""

from __future__ import annotations

import codecs

import pytest

from schemas.states import ReasonCode
from tasks.clinical.decode import contract_for, decode_text, parse_form
from tasks.clinical.raw_form import FormRefusedError

TEXT = "研究编号,性别\r\nLC-1,男\r\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode("utf-8"), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("gb18030"), "gb18030"),
        (TEXT.encode("gbk"), "gb18030"),
        (TEXT.encode("gb2312"), "gb18030"),
        (b"subject_no,sex\r\nLC-1,M\r\n", "utf-8"),
    ],
)
def test_each_accepted_encoding_is_read_exactly(data: bytes, encoding: str) -> None:
    text, found = decode_text(data)
    assert found == encoding
    assert text in (TEXT, "subject_no,sex\r\nLC-1,M\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        codecs.BOM_UTF8 + TEXT.encode("gb18030"),
        b"PK\x03\x04\x00\x00",
        TEXT.encode("utf-16-le"),
    ],
    ids=["no encoding", "mark and text disagree", "binary", "UTF-16 without a mark"],
)
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FormRefusedError) as refusal:
        parse_form("pathology.csv", data)
    assert refusal.value.reason is ReasonCode.UNREADABLE_FORM


@pytest.mark.parametrize(
    ("file_name", "form", "dates"),
    [
        ("pathology.csv", "pathology", ()),
        ("病理.csv", "pathology", ()),
        ("Follow_Up__2026-11-20.csv", "follow_up", ("2026-11-20",)),
        ("followup.tsv", "follow_up", ()),
    ],
)
def test_the_file_name_says_which_form_it_is(
    file_name: str, form: str, dates: tuple[str, ...]
) -> None:
    contract, found = contract_for(file_name)
    assert (contract.form, found) == (form, dates)


def test_a_file_name_of_no_form_is_refused() -> None:
    with pytest.raises(FormRefusedError) as refusal:
        contract_for("张三.csv")
    assert refusal.value.reason is ReasonCode.UNKNOWN_FORM
    assert "张三" not in str(refusal.value)


def test_linkage_is_never_read_as_a_form() -> None:
    with pytest.raises(FormRefusedError):
        contract_for("linkage.csv")


@pytest.mark.parametrize("name", ["pathology.xls", "pathology.pdf", "pathology"])
def test_a_format_that_is_not_of_the_contract_is_refused(name: str) -> None:
    with pytest.raises(FormRefusedError, match="only the formats csv, tsv, txt, xlsx, xml"):
        parse_form(name, b"a,b")


def test_broken_quotation_marks_are_refused_with_their_line() -> None:
    with pytest.raises(FormRefusedError, match="line 2"):
        parse_form("pathology.csv", b'a,b\n"x"y,z\n')


def test_a_line_that_no_form_could_have_is_refused_before_it_is_divided() -> None:
    with pytest.raises(FormRefusedError, match="line 2 has more than 8192 delimiters"):
        parse_form("pathology.csv", b"a,b\n" + b"," * 9000)


def test_an_empty_form_is_refused() -> None:
    with pytest.raises(FormRefusedError, match="no heading"):
        parse_form("pathology.csv", b"\n\n")


def test_tabs_divide_a_tsv_and_lines_are_counted_as_an_editor_shows_them() -> None:
    raw = parse_form("pathology.tsv", b"# export_as_of: 2026-11-20\na\tb\n\n1\t2\n")
    assert raw.headings == ("a", "b")
    assert raw.rows == ((4, ("1", "2")),)
    assert raw.stated_dates == ("2026-11-20",)
