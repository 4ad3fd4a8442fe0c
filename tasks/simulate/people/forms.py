"""Clinical forms as an EDC drops them: headings and code lists from the delivery contract.

Rows hold codes and days first and are turned into the words of a site (`FormHabits`) in one
step, so that what was written and what it means stay side by side.
"""

from __future__ import annotations

import csv
import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from typing import Any, cast

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_documents import read_document
from tasks.simulate.people.form_files import odm_bytes, xlsx_bytes
from tasks.simulate.people.form_habits import (
    AsOf,
    Codes,
    FormFormat,
    FormHabits,
    Headings,
    Vague,
    date_text,
)

FORMS = (
    "demographics",
    "screening_log",
    "pathology",
    "follow_up",
    "treatment",
    "diagnosis",
    "image_quality",
)
FormValue = str | dt.date | Vague | None
FormRow = dict[str, FormValue]
MISSING_CODES = ("UK", "ND", "NA")
_OWN_COLUMN = ("录入员备注", "已核对")
_AS_OF_HEADING = "导出日期"


@dataclass(frozen=True)
class WrittenCell:
    """One answer as the site wrote it, and what it means."""

    row_no: int
    field: str
    written: str
    value: FormValue


@lru_cache(maxsize=1)
def read_form_contracts() -> dict[str, dict[str, Any]]:
    """Return the delivery contract of each form, as its YAML has it.

    Raises
    ------
    ContractError
        If the contract of a form is missing.
    """
    folder = data_contracts_dir() / "site_delivery"
    contracts: dict[str, dict[str, Any]] = {}
    for form in FORMS:
        path = folder / f"{form}.yaml"
        if not path.is_file():
            raise ContractError(f"no delivery contract for the form {form}", where=path.name)
        contracts[form] = cast("dict[str, Any]", read_document(path).value)
    return contracts


def written_cells(habits: FormHabits, form: str, rows: list[FormRow]) -> list[WrittenCell]:
    """Return every answer of a form beside what it means, row by row in column order.

    Raises
    ------
    ContractError
        If a row has a field or a code that the contract of the form does not know.
    """
    fields = read_form_contracts()[form]["fields"]
    unknown = {name for row in rows for name in row} - {field["name"] for field in fields}
    if unknown:
        raise ContractError(f"the form {form} has no field {', '.join(sorted(unknown))}")
    return [
        WrittenCell(number, field["name"], _cell(field, row.get(field["name"]), habits), value)
        for number, row in enumerate(rows, start=1)
        for field in fields
        for value in [row.get(field["name"])]
    ]


def write_form(habits: FormHabits, form: str, rows: list[FormRow], as_of: dt.date) -> bytes:
    """Return the file of a form in the habits of the site."""
    fields = read_form_contracts()[form]["fields"]
    cells = written_cells(habits, form, rows)
    width = len(fields)
    lines = [[c.written for c in cells[at : at + width]] for at in range(0, len(cells), width)]
    if habits.format is FormFormat.ODM:
        return odm_bytes(form, [field["name"] for field in fields], lines, as_of)
    headings = [_heading(field, habits.headings) for field in fields]
    table = _with_site_columns(habits, headings, lines, as_of)
    if habits.format is FormFormat.XLSX:
        stated = [] if rows or habits.as_of is not AsOf.COLUMN else [[_stated(as_of)]]
        return xlsx_bytes(form, stated + table, as_of)
    stream = StringIO()
    if _states_first_line(habits, rows):
        stream.write(f"{_stated(as_of)}\n")
    csv.writer(stream, lineterminator="\r\n").writerows(table)
    return stream.getvalue().encode(habits.encoding)


def form_path(habits: FormHabits, form: str, as_of: dt.date) -> str:
    """Return the path of a form in the export, in the site's language."""
    names = read_form_contracts()[form]["file_names"]
    chinese = next(name for name in names if not name.isascii())
    name = chinese if habits.chinese_file_names else names[0]
    suffix = f"__{as_of.isoformat()}" if habits.as_of is AsOf.FILE_NAME else ""
    return f"clinical/{name}{suffix}.{habits.format.value}"


def _stated(as_of: dt.date) -> str:
    return f"# export_as_of: {as_of.isoformat()}"


def _states_first_line(habits: FormHabits, rows: list[FormRow]) -> bool:
    # A column without rows dates nothing.
    return habits.as_of is AsOf.FIRST_LINE or (habits.as_of is AsOf.COLUMN and not rows)


def _with_site_columns(
    habits: FormHabits, headings: list[str], lines: list[list[str]], as_of: dt.date
) -> list[list[str]]:
    table = [headings, *lines]
    if habits.own_column:
        table = [[*row, _OWN_COLUMN[min(number, 1)]] for number, row in enumerate(table)]
    if habits.as_of is AsOf.COLUMN:
        day = date_text(as_of, habits.dates)
        table = [[*row, day if number else _AS_OF_HEADING] for number, row in enumerate(table)]
    return table


def _heading(field: dict[str, Any], headings: Headings) -> str:
    header = field["header"]
    if headings is Headings.ALIASES and header["aliases"]:
        return str(header["aliases"][len(field["name"]) % len(header["aliases"])])
    return str(header["en" if headings is Headings.ENGLISH else "zh"])


def _cell(field: dict[str, Any], value: FormValue, habits: FormHabits) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.date | Vague):
        return date_text(value, habits.dates)
    if field["type"] != "code" or value in MISSING_CODES:
        return value
    for code in field["codes"]:
        if code["code"] == value:
            written = {
                Codes.CODE: value,
                Codes.CHINESE: str(code["zh"]),
                Codes.NUMBERED: f"{code['number']}={code['zh']}",
            }
            return written[habits.codes]
    raise ContractError(f"the field {field['name']} has no code {value}")
