"""Bytes of a form to rows of text: text tables, workbooks and ODM-XML, or refused."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath

from schemas.dicom.charsets import decode_table_text
from schemas.states import ReasonCode
from tasks.clinical.form_contracts import FormContract, read_conventions, read_form_contracts
from tasks.clinical.odm import read_odm
from tasks.clinical.raw_form import FormRefusedError, Layout, Line, RawForm
from tasks.clinical.text import fold
from tasks.clinical.workbook import read_workbook

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COMMENT = re.compile(r"#\s*(?P<what>export_as_of|export_kind)\s*[:：]\s*(?P<value>\S+)\s*", re.I)
#: Free text may hold delimiters between quotation marks; so many in one cell are no text.
_QUOTED_DELIMITERS = 16
_SUFFIX = re.compile(r"(?P<name>.+?)__(?P<date>[0-9-]+)")


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
        If name, format, size, encoding or layout are not of the contract.
    """
    contract, dates = contract_for(file_name)
    layout = _with_comments_apart(_layout(contract, file_name, data))
    _require_within_limits(layout.lines)
    if not layout.lines:
        raise FormRefusedError(ReasonCode.UNREADABLE_FORM, "there is no heading line")
    return RawForm(
        contract=contract,
        encoding=layout.encoding,
        stated_dates=(*dates, *layout.stated_dates),
        stated_kinds=layout.stated_kinds,
        headings=layout.lines[0][1],
        rows=layout.lines[1:],
        notes=layout.notes,
        day_zero=layout.day_zero,
    )


def _layout(contract: FormContract, file_name: str, data: bytes) -> Layout:
    suffix = PurePath(file_name).suffix.lower().lstrip(".")
    conventions = read_conventions()
    if suffix in conventions.workbooks:
        return read_workbook(contract, data)
    if suffix in conventions.odm.suffixes:
        return read_odm(contract, data)
    if suffix in conventions.delimiters:
        text, encoding = decode_text(data)
        return Layout(encoding, _table(text, conventions.delimiters[suffix]))
    accepted = [*conventions.delimiters, *conventions.workbooks, *conventions.odm.suffixes]
    raise FormRefusedError(
        ReasonCode.UNREADABLE_FORM, f"only the formats {', '.join(accepted)} are read"
    )


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


def _table(text: str, delimiter: str) -> tuple[Line, ...]:
    reader = csv.reader(_bounded_lines(text, delimiter), delimiter=delimiter, strict=True)
    try:
        return tuple(
            (reader.line_num, tuple(row)) for row in reader if any(cell.strip() for cell in row)
        )
    except csv.Error:
        raise FormRefusedError(
            ReasonCode.UNREADABLE_FORM, f"line {reader.line_num} cannot be divided into cells"
        ) from None


def _bounded_lines(text: str, delimiter: str) -> Iterator[str]:
    """Yield the lines; one that no form could have is refused before it becomes cells."""
    most = _QUOTED_DELIMITERS * read_conventions().limits.columns
    for number, line in enumerate(io.StringIO(text, newline=""), start=1):
        if line.count(delimiter) > most:
            raise FormRefusedError(
                ReasonCode.UNREADABLE_FORM, f"line {number} has more than {most} delimiters"
            )
        yield line


def _with_comments_apart(layout: Layout) -> Layout:
    """Take the first lines that say when and how the export was made for what they say."""
    dates, kinds, lines = list(layout.stated_dates), list(layout.stated_kinds), layout.lines
    while lines and (stated := _comment(lines[0][1])):
        what, value = stated
        (dates if what == "export_as_of" else kinds).append(value)
        lines = lines[1:]
    return replace(layout, lines=lines, stated_dates=tuple(dates), stated_kinds=tuple(kinds))


def _comment(row: Sequence[str]) -> tuple[str, str] | None:
    match = _COMMENT.fullmatch(row[0].strip()) if not any(row[1:]) else None
    return (match["what"].lower(), match["value"]) if match else None


def _require_within_limits(lines: Sequence[Line]) -> None:
    limits = read_conventions().limits
    if len(lines) > limits.rows:
        raise FormRefusedError(ReasonCode.UNREADABLE_FORM, f"more than {limits.rows} rows")
    for line, cells in lines:
        if len(cells) > limits.columns:
            raise FormRefusedError(
                ReasonCode.UNREADABLE_FORM, f"row {line} has more than {limits.columns} cells"
            )
