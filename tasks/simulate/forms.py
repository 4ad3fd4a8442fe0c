"""Clinical forms as an EDC drops them: headers and code lists from the delivery contract.

Rows are written with codes first and turned into the habits of a site (language of the
codes, style of dates, encoding, place of the export date) in one last step.
"""

from __future__ import annotations

import csv
import datetime as dt
from functools import lru_cache
from io import StringIO
from typing import Any

import yaml

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from tasks.simulate.hospitals import Hospital

FORMS = (
    "demographics",
    "screening_log",
    "pathology",
    "follow_up",
    "treatment",
    "diagnosis",
    "image_quality",
)
FormRow = dict[str, str | dt.date | None]


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
        contracts[form] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return contracts


def write_form(hospital: Hospital, form: str, rows: list[FormRow], as_of: dt.date) -> bytes:
    """Return the CSV of a form in the habits of the site."""
    contract = read_form_contracts()[form]
    fields = contract["fields"]
    unknown = {name for row in rows for name in row} - {field["name"] for field in fields}
    if unknown:
        raise ContractError(f"the form {form} has no field {', '.join(sorted(unknown))}")
    stream = StringIO()
    style = hospital.form_code_style
    if style == "code" or (style == "zh" and not rows):  # a column without rows dates nothing
        stream.write(f"# export_as_of: {as_of.isoformat()}\n")
    writer = csv.writer(stream, lineterminator="\r\n")
    date_column = ["导出日期"] if style == "zh" else []
    writer.writerow([field["header"]["zh"] for field in fields] + date_column)
    for row in rows:
        cells = [_cell(field, row.get(field["name"]), style) for field in fields]
        writer.writerow(cells + [date_text(as_of, style)] * len(date_column))
    return stream.getvalue().encode(hospital.form_encoding)


def form_path(hospital: Hospital, form: str, as_of: dt.date) -> str:
    """Return the path of a form in the export, in the site's language."""
    names = read_form_contracts()[form]["file_names"]
    chinese = next(name for name in names if not name.isascii())
    name = chinese if hospital.form_code_style == "zh" else names[0]
    suffix = f"__{as_of.isoformat()}" if hospital.form_code_style == "numbered" else ""
    return f"clinical/{name}{suffix}.csv"


def date_text(day: dt.date, style: str) -> str:
    """Return a date as the site types it."""
    if style == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.year}/{day.month}/{day.day}" if style == "numbered" else day.isoformat()


def _cell(field: dict[str, Any], value: str | dt.date | None, style: str) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.date):
        return date_text(value, style)
    if field["type"] != "code" or value in ("NA", "UK", "ND"):
        return value
    for code in field["codes"]:
        if code["code"] == value:
            numbered = f"{code['number']}={code['zh']}"
            return {"code": value, "zh": str(code["zh"]), "numbered": numbered}[style]
    raise ContractError(f"the field {field['name']} has no code {value}")
