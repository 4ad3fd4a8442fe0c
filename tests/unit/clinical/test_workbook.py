"""Workbooks: what a cell holds is read, what it would compute or hides is not."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from schemas.clinical_rows import Missing
from schemas.partial_dates import PartialDate
from schemas.states import ReasonCode
from tasks.clinical.form_contracts import read_form_contracts
from tasks.clinical.raw_form import FormRefusedError
from tests.unit.clinical.forms import form_row, read_bytes

RESIDENT_ID = 310101199003074512


def sheet_rows(
    form: str, *rows: Mapping[str, object], as_of: str = "# export_as_of: 2026-11-20"
) -> list[list[object]]:
    fields = read_form_contracts()[form].fields
    table: list[list[object]] = [[as_of]] if as_of else []
    table.append([field.header.zh for field in fields])
    return table + [[row.get(field.name) for field in fields] for row in rows]


def workbook_bytes(
    table: Sequence[Sequence[object]], change: Callable[[Workbook], object] | None = None
) -> bytes:
    book = Workbook()
    for row in table:
        book.active.append(list(row))
    if change is not None:
        change(book)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def read_book(form: str, data: bytes) -> tuple[Any, list[str]]:
    rows, findings = read_bytes(f"{form}.xlsx", data)
    return rows, [finding.rule_id for finding in findings]


def refusal_of(form: str, data: bytes) -> FormRefusedError:
    with pytest.raises(FormRefusedError) as refusal:
        read_bytes(f"{form}.xlsx", data)
    return refusal.value


def test_text_numbers_and_date_cells_are_read_as_they_are_meant() -> None:
    row = form_row("pathology") | {
        "specimen_no": 1,
        "lesion_no": 1.0,
        "specimen_date": dt.datetime(2025, 3, 20),  # noqa: DTZ001  as openpyxl has it
        "report_date": dt.date(2025, 3, 26),
    }
    rows, rules = read_book("pathology", workbook_bytes(sheet_rows("pathology", row)))
    values = rows.rows[0].values
    assert (values["specimen_no"], values["lesion_no"]) == (1, 1)
    assert values["specimen_date"] == PartialDate(2025, 3, 20)
    assert values["report_date"] == PartialDate(2025, 3, 26)
    assert (rules, rows.encoding) == ([], "xlsx")


@pytest.mark.parametrize(("typed", "year"), [("1966", 1966), (1966, 1966), ("1966-02", 1966)])
def test_a_partial_date_stays_partial_in_a_workbook(typed: object, year: int) -> None:
    row = form_row("demographics") | {"birth_date": typed}
    rows, _ = read_book("demographics", workbook_bytes(sheet_rows("demographics", row)))
    birth = rows.rows[0].values["birth_date"]
    assert (birth.year, birth.day) == (year, None)


@pytest.mark.parametrize(("epoch", "serial"), [(1900, 45736), (1904, 44274)])
def test_the_number_of_a_day_is_read_from_the_workbooks_own_day_zero_and_told(
    epoch: int, serial: int
) -> None:
    def count_from(book: Workbook) -> None:
        book.epoch = dt.datetime(1904, 1, 1) if epoch == 1904 else book.epoch  # noqa: DTZ001

    row = form_row("pathology") | {"specimen_date": serial}
    data = workbook_bytes(sheet_rows("pathology", row), count_from)
    rows, rules = read_book("pathology", data)
    assert rows.rows[0].values["specimen_date"] == PartialDate(2025, 3, 20)
    assert rules == ["CLIN_DATE_AS_NUMBER"]


def test_five_typed_digits_are_no_date_in_a_workbook_either() -> None:
    row = form_row("pathology") | {"specimen_date": "45736"}
    rows, rules = read_book("pathology", workbook_bytes(sheet_rows("pathology", row)))
    assert rows.rows[0].values["specimen_date"] is Missing.INVALID
    assert rules == ["CLIN_VALUE_UNREADABLE"]


def test_a_formula_is_never_computed_and_named_by_row_and_column() -> None:
    row = form_row("diagnosis") | {"diameter_mm": "=20+3"}
    rows, findings = read_bytes("diagnosis.xlsx", workbook_bytes(sheet_rows("diagnosis", row)))
    assert rows.rows[0].values["diameter_mm"] is Missing.INVALID
    (finding,) = findings
    assert (finding.rule_id, finding.object_id) == ("CLIN_CELL_FORMULA", "diagnosis:3")
    assert finding.column_name == "diameter_mm"
    assert "20+3" not in repr(finding)


def test_cells_under_a_merge_are_not_recorded() -> None:
    rows = [form_row("diagnosis", lesion_no=number) for number in "12"]
    rows[1] |= {"subject_no": None}  # type: ignore[dict-item]  # an empty cell

    def merge(book: Workbook) -> None:
        book.active.merge_cells("A3:A4")

    found, rules = read_book("diagnosis", workbook_bytes(sheet_rows("diagnosis", *rows), merge))
    assert [row.row_no for row in found.rows] == [3]
    assert rules == ["CLIN_CELL_MERGED", "CLIN_SUBJECT_NO_UNUSABLE"]


def test_a_merged_last_column_is_told_too() -> None:
    rows = [form_row("treatment", treatment_no=number) for number in "01"]
    rows[1] |= {"target": None}  # type: ignore[dict-item]

    def merge(book: Workbook) -> None:
        book.active.merge_cells("F3:F4")

    _, rules = read_book("treatment", workbook_bytes(sheet_rows("treatment", *rows), merge))
    assert rules == ["CLIN_CELL_MERGED"]


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_is_not_read_and_told(state: str) -> None:
    def hide(book: Workbook) -> None:
        book.create_sheet("old").append(["LC-0009"])
        book["old"].sheet_state = state

    data = workbook_bytes(sheet_rows("treatment", form_row("treatment")), hide)
    rows, rules = read_book("treatment", data)
    assert len(rows.rows) == 1
    assert rules == ["CLIN_HIDDEN_SHEET"]


@pytest.mark.parametrize("cell", ["患者姓名", RESIDENT_ID, "联系 13812345678"])
def test_a_direct_identifier_on_any_sheet_refuses_the_workbook(cell: object) -> None:
    def add(book: Workbook) -> None:
        book.create_sheet("码表").append([cell])

    data = workbook_bytes(sheet_rows("treatment", form_row("treatment")), add)
    refusal = refusal_of("treatment", data)
    assert refusal.reason is ReasonCode.DIRECT_IDENTIFIER_COLUMN
    assert str(cell) not in refusal.detail


@pytest.mark.parametrize("cell", [RESIDENT_ID, float(RESIDENT_ID), 13812345678])
def test_identity_and_phone_numbers_that_became_numbers_are_still_seen(cell: object) -> None:
    row = form_row("pathology") | {"verbatim": cell}
    refusal = refusal_of("pathology", workbook_bytes(sheet_rows("pathology", row)))
    assert refusal.reason is ReasonCode.DIRECT_IDENTIFIER_COLUMN


def test_a_long_subject_number_that_became_a_number_is_no_longer_usable() -> None:
    row = form_row("treatment") | {"subject_no": 20250000000000012}
    rows, rules = read_book("treatment", workbook_bytes(sheet_rows("treatment", row)))
    assert (rows.rows, rules) == ((), ["CLIN_SUBJECT_NO_UNUSABLE"])


def test_a_number_padded_by_its_format_is_read_as_it_is_shown() -> None:
    def pad(book: Workbook) -> None:
        book.active["A3"].number_format = "0000"

    row = form_row("treatment") | {"subject_no": 12}
    rows, _ = read_book("treatment", workbook_bytes(sheet_rows("treatment", row), pad))
    assert rows.rows[0].person == "0012"


def test_of_several_sheets_the_one_named_like_the_form_is_read() -> None:
    def add(book: Workbook) -> None:
        book.active.title = "治疗__2026-11-20"
        book.create_sheet("说明").append(["x"])
        book.create_sheet("码表").append(["y"])

    data = workbook_bytes(sheet_rows("treatment", form_row("treatment"), as_of=""), add)
    rows, rules = read_book("treatment", data)
    assert (rows.export_as_of, rules) == (dt.date(2026, 11, 20), [])


def test_two_sheets_that_may_both_be_the_form_refuse_it() -> None:
    data = workbook_bytes(
        sheet_rows("treatment", form_row("treatment")), lambda book: book.create_sheet("other")
    )
    assert "one visible sheet" in refusal_of("treatment", data).detail


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "password"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old .xls"),
        (b"PK\x03\x04 cut off", "damaged"),
        (b"a,b", "damaged"),
    ],
    ids=["locked", "old format", "cut off", "no zip"],
)
def test_a_workbook_that_cannot_be_opened_is_refused_with_its_reason(
    data: bytes, complaint: str
) -> None:
    refusal = refusal_of("treatment", data)
    assert refusal.reason is ReasonCode.UNREADABLE_FORM
    assert complaint in refusal.detail


def rewritten(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as before,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for member in before.namelist():
            content = before.read(member)
            after.writestr(member, change(content) if member == name else content)
    return stream.getvalue()


PLAIN = workbook_bytes(sheet_rows("treatment", form_row("treatment")))
SHEET = "xl/worksheets/sheet1.xml"


def test_a_sheet_that_lies_about_its_size_is_read_whole() -> None:
    data = rewritten(PLAIN, SHEET, lambda xml: xml.replace(b'ref="A1:F3"', b'ref="A1"'))
    assert load_workbook(io.BytesIO(data), read_only=True).active.max_row == 1
    rows, _ = read_book("treatment", data)
    assert len(rows.rows) == 1


def test_entities_of_its_own_refuse_a_workbook() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'

    def arm(xml: bytes) -> bytes:
        return bomb + xml[xml.index(b"<worksheet") :]

    assert "damaged" in refusal_of("treatment", rewritten(PLAIN, SHEET, arm)).detail


def test_what_unpacks_beyond_the_limit_is_refused_before_it_is_unpacked() -> None:
    data = rewritten(PLAIN, "docProps/app.xml", lambda _: bytes(300 << 20))
    assert len(data) < 1 << 20
    assert "unpacks to more" in refusal_of("treatment", data).detail


def test_a_row_at_the_far_end_of_a_sheet_is_refused_or_read_but_never_blows_up() -> None:
    far = b'<row r="2"><c r="XFD2" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'
    data = rewritten(
        workbook_bytes([["# export_as_of: 2026-11-20"]]),
        SHEET,
        lambda xml: xml.replace(b"</sheetData>", far),
    )
    assert "more than 512 cells" in refusal_of("treatment", data).detail


def test_a_merge_over_the_whole_sheet_is_refused() -> None:
    merge = b'</sheetData><mergeCells><mergeCell ref="H1:ZZ9999"/></mergeCells>'
    data = rewritten(PLAIN, SHEET, lambda xml: xml.replace(b"</sheetData>", merge))
    assert "merges cover" in refusal_of("treatment", data).detail


def in_format(number_format: str, column: str) -> Callable[[Workbook], None]:
    names = [field.name for field in read_form_contracts()["follow_up"].fields]

    def change(book: Workbook) -> None:
        book.active.cell(3, names.index(column) + 1).number_format = number_format

    return change


@pytest.mark.parametrize(
    ("kept", "number_format", "meant"),
    [
        (-0.3, "0%", -30.0),
        (-0.3, "0.00%", -30.0),
        (0.125, "0.0%;[Red]-0.0%", 12.5),
        (-30, "General", -30.0),
        (-30, '0"%"', -30.0),
        (-30, r"0\%", -30.0),
    ],
)
def test_a_number_shown_in_per_cent_is_what_it_shows(
    kept: float, number_format: str, meant: float
) -> None:
    row = form_row("follow_up") | {"size_change_percent": kept}
    change = in_format(number_format, "size_change_percent")
    rows, rules = read_book("follow_up", workbook_bytes(sheet_rows("follow_up", row), change))
    assert rows.rows[0].values["size_change_percent"] == meant
    assert rules == []


def test_per_cent_where_another_unit_belongs_is_a_finding_and_no_value() -> None:
    row = form_row("follow_up") | {"followup_no": 0.01}
    change = in_format("0%", "followup_no")
    rows, rules = read_book("follow_up", workbook_bytes(sheet_rows("follow_up", row), change))
    (kept,) = rows.rows
    assert kept.values["followup_no"] is Missing.INVALID
    assert not kept.numbered
    assert "CLIN_VALUE_UNREADABLE" in rules
