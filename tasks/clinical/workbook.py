"""A form as an Excel workbook: what a cell holds, never what it would compute."""

from __future__ import annotations

import datetime as dt
import io
import lzma
import re
import struct
import warnings
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException

from schemas.states import ReasonCode
from tasks.clinical.direct_identifiers import (
    identifier_kind_of_heading,
    identifier_kind_of_value,
)
from tasks.clinical.form_contracts import FormContract, read_conventions
from tasks.clinical.raw_form import (
    FormRefusedError,
    Layout,
    Line,
    Note,
    PercentNumber,
    SheetNumber,
    UnusableCell,
)
from tasks.clinical.text import fold

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_MERGE = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=[\"']([A-Z]+\d+:[A-Z]+\d+)[\"']")
_CHUNK_BYTES, _OVERLAP_BYTES = 1 << 20, 200
_PADDED = re.compile(r"0{2,}")
#: Parts of a number format that are shown as they stand; a per cent sign elsewhere scales.
_NOT_SCALING = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
#: Excel keeps 15 significant digits: the sixteenth of a number is no longer what was typed.
_EXACT_BELOW = 10**15
_SUFFIX = re.compile(r"(?P<name>.+?)__(?P<date>[0-9-]+)")
#: What openpyxl and the readers below it raise on bytes that are no usable workbook, besides
#: exceptions of its own; each ends as a refused form with a reason. NotImplementedError and
#: RuntimeError come from zip members that are packed or encrypted in ways that nobody here opens.
_DAMAGED = (
    zipfile.BadZipFile, DefusedXmlException, ParseError,
    KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, EOFError,
    NotImplementedError, RuntimeError, ArithmeticError, MemoryError,
    zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip


def read_workbook(contract: FormContract, data: bytes) -> Layout:
    """Return the sheet of a workbook that holds the form.

    Of several visible sheets it is the one named like the form. A formula and a cell that a
    merge covers hold no value; a hidden sheet is not read; a number keeps the digits that
    its format shows, and is what it shows where that is per cent. Every sheet is searched for
    direct identifiers.

    Parameters
    ----------
    contract : FormContract
        The form that the file name stands for.
    data : bytes
        Content of the file.

    Raises
    ------
    FormRefusedError
        If the workbook is locked, damaged or beyond the limits, or no sheet or several could
        be the form.
    """
    if data.startswith(_OLE):
        locked = _ENCRYPTED in data
        raise _refused(
            "the workbook is protected by a password" if locked else "the old .xls format"
        )
    # Here and below: most nights bring no workbook.
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl tells of decoration that it leaves out
            return _read(contract, data)
    except FormRefusedError:
        raise
    except (*_DAMAGED, InvalidFileException):
        raise _refused("the workbook is damaged or no workbook") from None


def _read(contract: FormContract, data: bytes) -> Layout:
    from openpyxl.reader.excel import ExcelReader

    limits = read_conventions().limits
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > limits.unpacked_bytes:
            raise _refused(f"unpacks to more than {limits.unpacked_bytes} bytes")
        reader = ExcelReader(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
        reader.read()
        parts = {sheet.name: relation.target for sheet, relation in reader.parser.find_sheets()}
        sheets = {sheet.title: sheet for sheet in reader.wb.worksheets}
        chosen, notes = _choose(contract, sheets)
        for title in sheets:
            if title != chosen:
                _refuse_identifiers(_lines(sheets[title], {}))
        merged = _covered_cells(archive, parts[chosen])
        lines = _lines(sheets[chosen], merged)
        match = _SUFFIX.fullmatch(chosen)
        return Layout(
            encoding="xlsx",
            lines=lines,
            stated_dates=(match["date"],) if match else (),
            notes=notes,
            day_zero=reader.wb.epoch.date(),
        )


def _choose(contract: FormContract, sheets: Mapping[str, Any]) -> tuple[str, tuple[Note, ...]]:
    beside = {fold(name) for name in read_conventions().sheets_beside}
    forms = [title for title in sheets if fold(title) not in beside]
    visible = [title for title in forms if sheets[title].sheet_state == "visible"]
    notes = [
        Note("CLIN_HIDDEN_SHEET", row=number)
        for number, title in enumerate(sheets, start=1)
        if title in forms and title not in visible
    ]
    if len(visible) > 1:
        names = {fold(name) for name in (contract.form, *contract.file_names)}
        visible = [title for title in visible if fold(_bare(title)) in names]
    if len(visible) != 1:
        raise _refused("not exactly one visible sheet can be the form")
    return visible[0], tuple(notes)


def _bare(title: str) -> str:
    match = _SUFFIX.fullmatch(title)
    return match["name"] if match else title


def _lines(sheet: Any, covered: Mapping[int, set[int]]) -> tuple[Line, ...]:
    """Return the rows that hold anything, all as wide as the widest."""
    limits = read_conventions().limits
    sheet.reset_dimensions()  # what a sheet says of its own size is often wrong
    lines: list[tuple[int, list[str]]] = []
    n_cells = 0
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        if len(cells) > limits.columns:
            raise _refused(f"row {number} has more than {limits.columns} cells")
        texts = [_text_of(cell) for cell in cells]
        while texts and not texts[-1].strip():
            texts.pop()
        n_cells += len(texts)
        if n_cells > limits.cells:
            raise _refused(f"more than {limits.cells} cells")
        if texts:
            lines.append((number, texts))
    width = max((len(texts) for _, texts in lines), default=0)
    return tuple((number, _whole_row(texts, width, covered.get(number))) for number, texts in lines)


def _whole_row(texts: list[str], width: int, covered: set[int] | None) -> tuple[str, ...]:
    row = [*texts, *[""] * (width - len(texts))]
    for column in covered or ():
        if column < width:
            row[column] = UnusableCell("CLIN_CELL_MERGED")
    return tuple(row)


def _text_of(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        return UnusableCell("CLIN_CELL_FORMULA")
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "%" in _NOT_SCALING.sub("", cell.number_format):
            return PercentNumber(_number_text(float(value) * 100, ""))
        return SheetNumber(_number_text(value, cell.number_format))
    return str(value)


def _number_text(value: float, number_format: str) -> str:
    """Return a number with the digits that Excel still knows, padded as its format shows it."""
    if isinstance(value, int) and abs(value) < _EXACT_BELOW:
        width = len(number_format) if _PADDED.fullmatch(number_format) else 0
        return str(value).zfill(width)
    return f"{value:.15g}" if abs(value) < _EXACT_BELOW else f"{value:.14E}"


def _covered_cells(archive: zipfile.ZipFile, part: str) -> dict[int, set[int]]:
    """Return row → columns (from 0) that a merge covers; its first cell is not among them."""
    from openpyxl.utils.cell import range_boundaries

    limit = read_conventions().limits.rows
    covered: dict[int, set[int]] = defaultdict(set)
    n_cells = 0
    with archive.open(part.lstrip("/")) as stream:
        for reference in _merges(stream):
            left, top, right, bottom = range_boundaries(reference)
            n_cells += (right - left + 1) * (bottom - top + 1)
            if n_cells > limit:
                raise _refused(f"merges cover more than {limit} cells")
            for row in range(top, bottom + 1):
                covered[row] |= set(range(left - 1, right))
            covered[top].discard(left - 1)
    return covered


def _merges(stream: IO[bytes]) -> Iterator[str]:
    """Yield the merged ranges of a sheet; reading its cells without their frame shows none."""
    seen: set[bytes] = set()
    tail = b""
    while chunk := stream.read(_CHUNK_BYTES):
        window = tail + chunk
        for reference in _MERGE.findall(window):
            if reference not in seen:
                seen.add(reference)
                yield reference.decode("ascii")
        tail = window[-_OVERLAP_BYTES:]


def _refuse_identifiers(lines: Iterable[Line]) -> None:
    for position, (_, cells) in enumerate(lines):
        for cell in cells:
            kind = (None if position else identifier_kind_of_heading(cell)) or (
                identifier_kind_of_value(cell)
            )
            if kind is not None:
                raise FormRefusedError(
                    ReasonCode.DIRECT_IDENTIFIER_COLUMN, f"another sheet holds {kind}"
                )


def _refused(detail: str) -> FormRefusedError:
    return FormRefusedError(ReasonCode.UNREADABLE_FORM, detail)
