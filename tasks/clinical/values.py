"""One cell of a form: text in, a typed value or the kind of missing out."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from schemas.clinical_rows import Cell, Missing
from schemas.subject_numbers import normalise_subject_no
from tasks.clinical.dates import parse_date
from tasks.clinical.form_contracts import FieldContract, read_conventions
from tasks.clinical.text import fold, tidy

_NUMBERED_LABEL = re.compile(r"(\d{1,3})\s*=\s*(.+)", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,9}(?:\.0+)?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,9})?", re.ASCII)


def parse_cell(field: FieldContract, text: str, factor: float = 1.0) -> Cell:
    """Return the typed value of one cell.

    Codes come as code, EDC number, label in Chinese or English, or `2=否` when number and
    label agree. UK, ND, NA and blank stay apart.

    Parameters
    ----------
    field : FieldContract
        What the column holds.
    text : str
        The cell as delivered.
    factor : float
        What one unit of the column is in units of the contract (10 for cm when mm is asked).

    Raises
    ------
    ValueError
        If the contract cannot read the text; the message does not quote it.
    """
    tidied = tidy(text)
    if field.type == "code":
        code = field.codes_by_label.get(fold(tidied)) or _numbered_code(field, tidied)
        if code is not None:
            return code
    missing = _missing_codes().get(fold(tidied))
    if missing is not None:
        return missing
    return _PARSERS[field.type](field, tidied, factor)


def expected_of(field: FieldContract) -> str:
    """Return in words what a column accepts."""
    if field.type == "code":
        return " / ".join(f"{entry.number}={entry.zh}" for entry in field.codes)
    if field.type == "date":
        return "YYYY-MM-DD"
    bounds = f" {field.min:g}-{field.max:g}" if None not in (field.min, field.max) else ""
    return f"{field.type}{bounds}{' ' + field.unit if field.unit else ''}"


def _numbered_code(field: FieldContract, text: str) -> str | None:
    match = _NUMBERED_LABEL.fullmatch(text)
    if match is None:
        return None
    number, label = str(int(match.group(1))), fold(match.group(2))
    code = field.codes_by_label.get(label)
    return code if code is not None and field.codes_by_label.get(number) == code else None


@cache
def _missing_codes() -> dict[str, Missing]:
    return {
        fold(spelling): Missing(entry.code)
        for entry in read_conventions().missing_codes
        for spelling in (entry.code, entry.zh, *entry.aliases)
    }


def _parse_code(field: FieldContract, text: str, factor: float) -> Cell:
    raise ValueError("not a code of the list")


def _parse_date(field: FieldContract, text: str, factor: float) -> Cell:
    return parse_date(text)


def _parse_integer(field: FieldContract, text: str, factor: float) -> Cell:
    if not _INTEGER.fullmatch(text):
        raise ValueError("not a whole number")
    return int(_within(field, float(text)))


def _parse_decimal(field: FieldContract, text: str, factor: float) -> Cell:
    if field.unit == "%":
        text = text.removesuffix("%").rstrip()
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a number")
    return _within(field, float(text) * factor)


def _parse_token(field: FieldContract, text: str, factor: float) -> Cell:
    if field.pattern is None or not re.fullmatch(field.pattern, text, re.ASCII):
        raise ValueError("not of the agreed form")
    return text


def _parse_number(field: FieldContract, text: str, factor: float) -> Cell:
    number = normalise_subject_no(text)
    if number is None:
        raise ValueError("not a usable number")
    return number


def _parse_text(field: FieldContract, text: str, factor: float) -> Cell:
    return text


def _within(field: FieldContract, number: float) -> float:
    too_low = field.min is not None and number < field.min
    too_high = field.max is not None and number > field.max
    if too_low or too_high:
        raise ValueError("outside its range")
    return number


_PARSERS: dict[str, Callable[[FieldContract, str, float], Cell]] = {
    "code": _parse_code,
    "date": _parse_date,
    "integer": _parse_integer,
    "decimal": _parse_decimal,
    "token": _parse_token,
    "subject_no": _parse_number,
    "screening_no": _parse_number,
    "identifier": _parse_number,
    "text": _parse_text,
}
