"""Bytes of a form to rows of text: byte order mark, strict UTF-8, strict GB18030, or refused."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from schemas.charsets import decode_table_text
from schemas.states import ReasonCode
from tasks.clinical.form_contracts import FormContract, read_conventions, read_form_contracts
from tasks.clinical.text import fold

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COMMENT = re.compile(r"#\s*export_as_of\s*[:：]\s*(\S+)\s*", re.IGNORECASE)
_SUFFIX = re.compile(r"(?P<name>.+?)__(?P<date>[0-9-]+)")


class FormRefusedError(Exception):
    """A form cannot be taken in; says why without quoting what stands in it."""

    def __init__(self, reason: ReasonCode, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True)
class RawForm:
    """A form as rows of text (restricted).

    `stated_dates` are the export dates of the first line and the file name. Rows carry the
    line on which they end, as a person sees it in an editor.
    """

    contract: FormContract
    encoding: str
    stated_dates: tuple[str, ...]
    headings: tuple[str, ...] = field(repr=False)
    rows: tuple[tuple[int, tuple[str, ...]], ...] = field(repr=False)


def decode_text(data: bytes) -> tuple[str, str]:
    """Return the text of a form and its encoding: `utf-8`, `utf-16` or `gb18030`.

    A byte order mark decides alone; else strict UTF-8, else strict GB18030.

    Raises
    ------
    FormRefusedError
        If none fits; nothing is guessed.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _strict(data[len(mark) :], encoding), encoding[:6].rstrip("-")
    decoded = decode_table_text(data)
    if decoded is None:
        raise FormRefusedError(ReasonCode.UNREADABLE_FORM, "neither UTF-8 nor GB18030")
    return _without_nul(decoded[0]), decoded[1]


def contract_for(file_name: str) -> tuple[FormContract, tuple[str, ...]]:
    """Return the form that a file name stands for, and the export date in it, if any.

    Raises
    ------
    FormRefusedError
        If no form has such a file name.
    """
    stem = PurePath(file_name).stem
    match = _SUFFIX.fullmatch(stem)
    name, dates = (match["name"], (match["date"],)) if match else (stem, ())
    for contract in read_form_contracts().values():
        if fold(name) in {fold(known) for known in contract.file_names}:
            return contract, dates
    raise FormRefusedError(ReasonCode.UNKNOWN_FORM, "no form of the contract has this file name")


def parse_form(file_name: str, data: bytes) -> RawForm:
    """Return a delivered form as rows of text.

    Raises
    ------
    FormRefusedError
        If name, encoding or layout are not of the contract.
    """
    contract, dates = contract_for(file_name)
    delimiter = read_conventions().delimiters.get(PurePath(file_name).suffix.lower().lstrip("."))
    if delimiter is None:
        raise FormRefusedError(ReasonCode.UNREADABLE_FORM, "only CSV and TSV are read so far")
    text, encoding = decode_text(data)
    lines = _table(text, delimiter)
    if lines and (comment := _comment(lines[0][1])):
        dates, lines = (*dates, comment), lines[1:]
    if not lines:
        raise FormRefusedError(ReasonCode.UNREADABLE_FORM, "there is no heading line")
    return RawForm(contract, encoding, dates, lines[0][1], tuple(lines[1:]))


def _strict(data: bytes, encoding: str) -> str:
    try:
        return _without_nul(data.decode(encoding))
    except UnicodeDecodeError:
        raise FormRefusedError(
            ReasonCode.UNREADABLE_FORM, "the byte order mark and the text disagree"
        ) from None


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise FormRefusedError(ReasonCode.UNREADABLE_FORM, "the file is not text")
    return text


def _table(text: str, delimiter: str) -> list[tuple[int, tuple[str, ...]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [
            (reader.line_num, tuple(row)) for row in reader if any(cell.strip() for cell in row)
        ]
    except csv.Error:
        raise FormRefusedError(
            ReasonCode.UNREADABLE_FORM, f"line {reader.line_num} cannot be divided into cells"
        ) from None


def _comment(row: Sequence[str]) -> str | None:
    match = _COMMENT.fullmatch(row[0].strip()) if not any(row[1:]) else None
    return match.group(1) if match else None
