"""A blank of each form from its contract: CSV, and a workbook with lists to choose from."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from schemas.tables.workbook_bytes import workbook_bytes
from tasks.clinical.form_contracts import (
    FieldContract,
    FormContract,
    read_conventions,
    read_form_contracts,
)
from tasks.clinical.values import expected_of

_CODES, _FIELDS = "码表", "字段说明"
_LAST_ROW = 5000
_TEXT_FORMAT, _WIDTH = "@", 18
_NUMBERS = ("integer", "decimal")
# A template says nothing of when it was made; a fixed day keeps its bytes the same.
_MADE = dt.datetime(2026, 11, 20)  # noqa: DTZ001 - openpyxl writes times without a zone
_HELP = ("列名 column", "必填 required", "填写方式 how to fill in", "说明", "description")


def templates() -> dict[str, bytes]:
    """Return file name → content of the blank of each form, CSV and workbook."""
    found: dict[str, bytes] = {}
    for form, contract in read_form_contracts().items():
        found[f"{form}.csv"] = csv_template(contract)
        found[f"{form}.xlsx"] = xlsx_template(contract)
    return found


def csv_template(contract: FormContract) -> bytes:
    """Return the heading line in Chinese and English, UTF-8 with its mark, as Excel opens it."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerow(_headings(contract))
    return stream.getvalue().encode("utf-8-sig")


def xlsx_template(contract: FormContract) -> bytes:
    """Return a workbook: the form, its code lists, and what each column is.

    Every column but those of numbers is text, so that leading zeros, long numbers and partial
    dates stay as they are typed.
    """
    book = Workbook()
    sheet = book.active
    sheet.title = contract.form
    codes, fields = book.create_sheet(_CODES), book.create_sheet(_FIELDS)
    _write_row(sheet, 1, _headings(contract), bold=True)
    _write_row(fields, 1, _HELP, bold=True)
    sheet.freeze_panes = "A2"
    for number, column in enumerate(contract.fields, start=1):
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = _WIDTH
        sheet.column_dimensions[letter].number_format = (
            "General" if column.type in _NUMBERS else _TEXT_FORMAT
        )
        _write_row(fields, number + 1, _explained(column))
        if column.codes:
            choices = _choices(column)
            _write_column(codes, number, [column.header.zh, *choices])
            source = f"'{_CODES}'!${letter}$2:${letter}${len(choices) + 1}"
            sheet.add_data_validation(_drop_down(source, f"{letter}2:{letter}{_LAST_ROW}"))
    return workbook_bytes(book, creator="livercohort", made=_MADE)


def _headings(contract: FormContract) -> list[str]:
    as_of = read_conventions().export_as_of.header
    return [_heading(column) for column in contract.fields] + [f"{as_of.zh} {as_of.en}"]


def _heading(column: FieldContract) -> str:
    unit = f" ({column.unit})" if column.unit else ""
    return f"{column.header.both}{unit}"


def _choices(column: FieldContract) -> list[str]:
    """Return the codes as they are chosen, then the ways to say that there is no value."""
    missing = [code for code in read_conventions().missing_codes if code.code]
    return [
        *(f"{entry.number}={entry.both}" for entry in column.codes),
        *(code.code for code in missing),
    ]


def _explained(column: FieldContract) -> list[str]:
    required = "是 yes" if column.required else "否 no"
    text = column.description
    return [_heading(column), required, expected_of(column), text.zh, text.en]


def _drop_down(source: str, cells: str) -> DataValidation:
    validation = DataValidation(
        type="list", formula1=source, allow_blank=True, showErrorMessage=True
    )
    validation.errorTitle = "码表 code list"
    validation.error = "请从列表中选择 Choose from the list"
    validation.add(cells)
    return validation


def _write_row(sheet: Any, row: int, texts: Iterable[str], *, bold: bool = False) -> None:
    for number, text in enumerate(texts, start=1):
        cell = sheet.cell(row=row, column=number, value=text)
        cell.font = Font(bold=bold)
        cell.alignment = Alignment(wrap_text=True, vertical="top")


def _write_column(sheet: Any, column: int, texts: Iterable[str]) -> None:
    for number, text in enumerate(texts, start=1):
        sheet.cell(row=number, column=column, value=text)
