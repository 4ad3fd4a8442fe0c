"""CSV tables that people make: read whole and exactly, or refused by file, line and reason."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from schemas.dicom.charsets import decode_table_text
from schemas.errors import BadInputError
from schemas.rule_tables import CSV_EXPECTED

#: The line a row ends on, and its cells by column.
TableRow = tuple[int, dict[str, str]]

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Table:
    """Columns in their order, and the rows."""

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def read_table(path: Path, needed: Sequence[str]) -> Table:
    """Read a CSV in UTF-8 or GB18030.

    Parameters
    ----------
    path : Path
        The file; its first line names the columns.
    needed : sequence of str
        Columns that must be there; others may be.

    Raises
    ------
    BadInputError
        If the file cannot be read, is empty, in another encoding or no CSV; if a column is
        missing or stands twice; if a row has more or fewer cells than the first line. The
        message names the file and, where there is one, the line.
    """
    reader = csv.reader(StringIO(_text(path), newline=""), strict=True)
    try:
        columns = next(reader, [])
        _require_columns(columns, needed, path.name)
        rows = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise BadInputError(
            f"a line that is no CSV: {error}",
            expected=CSV_EXPECTED,
            where=f"{path.name}:{reader.line_num}",
        ) from None
    for line, cells in rows:
        if len(cells) != len(columns):
            raise BadInputError(
                f"a row of {len(cells)} cells",
                expected=f"{len(columns)}, as the first line has",
                where=f"{path.name}:{line}",
                hint="Put a cell that holds a comma in quotes.",
            )
    by_column = ((line, dict(zip(columns, cells, strict=True))) for line, cells in rows)
    return Table(tuple(columns), tuple(by_column))


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadInputError(f"the file cannot be read: {reason}", where=path.name) from None
    if not content.strip():
        raise BadInputError("an empty file", expected="CSV", where=path.name)
    decoded = None if content.startswith(_UTF16_MARKS) else decode_table_text(content)
    if decoded is None or "\0" in decoded[0]:
        raise BadInputError(
            "text that is neither UTF-8 nor GB18030",
            expected="CSV in UTF-8",
            where=path.name,
            hint="In Excel: save as `CSV UTF-8`.",
        )
    return decoded[0]


def _require_columns(columns: Sequence[str], needed: Iterable[str], name: str) -> None:
    lacking = [column for column in needed if column not in columns]
    if lacking:
        raise BadInputError(
            f"no column {', '.join(f'`{column}`' for column in lacking)}",
            expected="a first line that names the columns, with commas between",
            where=name,
        )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise BadInputError(
            f"a column that stands twice: {', '.join(f'`{column}`' for column in twice)}",
            where=name,
        )
