"""Files for Excel: CSV with a byte order mark, and workbooks whose bytes repeat."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from openpyxl import Workbook

from schemas.tables.spreadsheet_cells import FORMULA_START, NUMBER, plain_row

#: Rows that a sheet of Excel can show, without the head.
EXCEL_ROWS = 1_048_575
_ROWS_AT_A_TIME = 1 << 15
_BOM = b"\xef\xbb\xbf"
_LONG_AGO = dt.datetime(2000, 1, 1)  # noqa: DTZ001  # workbooks know no time zones
_ZIP_TIME = (2000, 1, 1, 0, 0, 0)


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a table as UTF-8 with BOM; the elements of a list stand in one cell, with `;`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.write(_BOM)
        # Not all texts of a long table a second and a third time at once.
        for start in range(0, max(1, table.num_rows), _ROWS_AT_A_TIME):
            rows = table.slice(start, _ROWS_AT_A_TIME)
            columns = {name: _flat(rows[name]) for name in rows.column_names}
            options = pa_csv.WriteOptions(quoting_style="needed", include_header=start == 0)
            pa_csv.write_csv(pa.table(columns), stream, options)


def workbook(title: str, head: Sequence[str], rows: Iterable[Sequence[str | int]]) -> bytes:
    """Return a workbook of one sheet; the same rows give the same bytes."""
    book = Workbook(write_only=True)
    book.properties.created = book.properties.modified = _LONG_AGO
    book.properties.creator = "livercohort"
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    sheet.append(list(head))
    for row in rows:
        sheet.append(plain_row(row))
    made = BytesIO()
    book.save(made)
    return _without_times(made)


def _without_times(made: BytesIO) -> bytes:
    """Pack a workbook again: openpyxl writes the clock into every member and its properties."""
    packed = BytesIO()
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(packed, "w") as target:
        for name in sorted(source.namelist()):
            data = source.read(name)
            if name == "docProps/core.xml":
                data = _core_properties(data)
            member = zipfile.ZipInfo(name, _ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(member, data)
    return packed.getvalue()


def _core_properties(data: bytes) -> bytes:
    head, found, rest = data.partition(b"<dcterms:modified")
    if not found:
        return data
    inner, _, tail = rest.partition(b"</dcterms:modified>")
    attributes = inner.partition(b">")[0]
    stamp = _LONG_AGO.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    return head + found + attributes + b">" + stamp + b"</dcterms:modified>" + tail


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string(column.type):
        return _plain(column)
    if not pa.types.is_list(column.type):
        return column
    texts = column.cast(pa.list_(pa.string()))
    return _plain(pc.binary_join(texts, ";"))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts of which none runs as a formula (`schemas.tables.spreadsheet_cells`)."""
    formula = pc.and_(
        pc.match_substring_regex(column, FORMULA_START),
        pc.invert(pc.match_substring_regex(column, NUMBER)),
    )
    marked = pc.binary_join_element_wise("'", column, "")
    return pc.if_else(formula, marked, column)
