"""Blanks of the forms: what a site fills in there is read without a finding."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from openpyxl import load_workbook

from schemas.errors import BadInputError
from tasks.clinical import store
from tasks.clinical.form_contracts import read_form_contracts
from tasks.clinical.templates import csv_template, templates, xlsx_template
from tests.unit.clinical.forms import ROWS, read_bytes

FORMS = sorted(ROWS)
DAY = "2026-11-20"


def chosen(form: str, name: str, choices: dict[str, list[str]]) -> str:
    """Return the plain value of a field, by its number when it is chosen from a list."""
    value = ROWS[form].get(name, "")
    for entry in read_form_contracts()[form].field(name).codes:
        if entry.code == value:
            (choice,) = [c for c in choices[name] if c.startswith(f"{entry.number}=")]
            return choice
    return value


@pytest.mark.parametrize("form", FORMS)
def test_a_workbook_filled_in_from_its_lists_is_read_without_a_finding(form: str) -> None:
    contract = read_form_contracts()[form]
    book = load_workbook(io.BytesIO(xlsx_template(contract)))
    sheet = book[form]
    choices = {}
    for validation in sheet.data_validations.dataValidation:
        letter = str(validation.sqref).split("2:")[0]
        at = sheet[f"{letter}1"].column
        area = validation.formula1.split("!")[1].replace("$", "")
        choices[contract.fields[at - 1].name] = [c[0].value for c in book["码表"][area]]
    assert set(choices) == {field.name for field in contract.fields if field.codes}
    for number, field in enumerate(contract.fields, start=1):
        sheet.cell(row=2, column=number, value=chosen(form, field.name, choices))
    sheet.cell(row=2, column=len(contract.fields) + 1, value=DAY)
    stream = io.BytesIO()
    book.save(stream)
    rows, findings = read_bytes(f"{form}.xlsx", stream.getvalue())
    assert findings == []
    plain, _ = read_bytes(f"{form}.csv", filled_csv(form))
    assert [row.values for row in rows.rows] == [row.values for row in plain.rows]


def filled_csv(form: str) -> bytes:
    contract = read_form_contracts()[form]
    stream = io.StringIO(csv_template(contract).decode("utf-8-sig"))
    stream.seek(0, io.SEEK_END)
    csv.writer(stream).writerow([*(ROWS[form].get(f.name, "") for f in contract.fields), DAY])
    return stream.getvalue().encode("utf-8-sig")


@pytest.mark.parametrize("form", FORMS)
def test_a_blank_explains_every_column_in_both_languages(form: str) -> None:
    contract = read_form_contracts()[form]
    book = load_workbook(io.BytesIO(xlsx_template(contract)))
    explained = list(book["字段说明"].iter_rows(min_row=2, values_only=True))
    assert len(explained) == len(contract.fields)
    for row, field in zip(explained, contract.fields, strict=True):
        assert field.header.zh in row[0]
        assert field.header.en in row[0]
        assert row[3:] == (field.description.zh, field.description.en)


def test_blanks_are_the_same_bytes_every_time_and_never_overwrite(tmp_path: Path) -> None:
    assert templates() == templates()
    assert len(store.write_templates(tmp_path)) == 2 * len(FORMS)
    with pytest.raises(BadInputError, match="would be overwritten"):
        store.write_templates(tmp_path)
