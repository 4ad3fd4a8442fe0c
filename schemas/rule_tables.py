"""The tables that people sign, read exactly or refused by file and line.

One reader for all of them, those of the package and those kept in a home. A spreadsheet program
may write them (a byte order mark, CR LF, blank lines, quotes around any cell); what could lose or
shift a row is refused. One row is one line: so an open quotation mark ends at its own line and
cannot swallow those below it.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from schemas.errors import ContractError

T = TypeVar("T")
Cells = dict[str, str]

CSV_EXPECTED = f"closed quotation marks, and cells of at most {csv.field_size_limit()} characters"
_CELL = r'(?:"(?:[^"]|"")*"|[^",]*)'
_ROW = re.compile(f"{_CELL}(?:,{_CELL})*")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
#: Control characters, invisible ones, and the mark of bytes that a program could not read.
_UNWRITTEN = frozenset({"Cc", "Cf"})
_SAVE_AS_UTF8 = "In a spreadsheet program: save as `CSV UTF-8`."


@dataclass(frozen=True)
class TableShape:
    """What every row of a table has.

    Parameters
    ----------
    columns : tuple of str
        All columns, in their order.
    key : tuple of str
        Columns in which no two rows are alike.
    stated : tuple of str
        Columns that are never empty.
    may_be_empty : bool
        Whether a table without rows is a table: a register in which nobody has written yet.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...]
    stated: tuple[str, ...] = ("reason", "source")
    may_be_empty: bool = False


class TableError(ContractError):
    """Lines of signed tables that cannot be used: the first in words, all in `problems`."""

    @classmethod
    def of(cls, problems: list[ContractError]) -> TableError:
        """Return one error that tells the first problem and holds all."""
        first, more = problems[0], len(problems) - 1
        told = f"{more} more: `livercohort rules check` lists all." if more else ""
        hint = " ".join(filter(None, (first.hint, told)))
        error = cls(first.found, expected=first.expected, where=first.where, hint=hint)
        error.problems = tuple(problems)
        return error

    problems: tuple[ContractError, ...] = ()


def problems_of(error: ContractError) -> tuple[ContractError, ...]:
    """Return every problem that an error tells of."""
    return getattr(error, "problems", ()) or (error,)


def attempt(read: Callable[[], T], problems: list[ContractError]) -> T | None:
    """Return what `read` returns; None, and its problems added to the list, if it refuses."""
    try:
        return read()
    except ContractError as error:
        problems += problems_of(error)
        return None


def table_name(path: Path) -> str:
    """Return what a table is called in messages: its folder and its name."""
    return f"{path.parent.name}/{path.name}"


def read_table(path: Path, shape: TableShape, build: Callable[[Cells], T]) -> list[T]:
    """Read a signed table from its file; see `parse_table`."""
    name = table_name(path)
    return parse_table(read_signed(path), name, shape, build)


def read_signed(path: Path) -> bytes:
    """Return the bytes of a signed file, or refuse it by its name when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ContractError(f"the file cannot be read: {reason}", where=table_name(path)) from None


def parse_table(
    data: bytes | str, name: str, shape: TableShape, build: Callable[[Cells], T]
) -> list[T]:
    """Return what `build` makes of every row, in the order of the table.

    Parameters
    ----------
    data : bytes or str
        The table: UTF-8 with or without a byte order mark, lines that end in LF or CR LF.
    name : str
        What the table is called in messages.
    shape : TableShape
        Its columns, its key, and which cells are never empty.
    build : callable
        Cells by column, without surrounding blanks → what stands for the row; refuses by
        ValueError (also pydantic's), KeyError or ContractError.

    Raises
    ------
    ContractError
        If the file is no such table; `TableError` with every line that cannot be used.
    """
    lines = _lines(data, name)
    header_line, header = next(lines, (1, ""))
    _require_columns(header, shape.columns, f"{name}:{header_line}")
    rows: list[T] = []
    problems: list[ContractError] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, line in lines:
        where = f"{name}:{number}"
        try:
            cells = _cells(line, shape)
            _require_new(cells, shape.key, seen, number)
            rows.append(build(cells))
        except (ContractError, ValueError, KeyError, re.error) as error:
            problems.append(_placed(error, where))
    if problems:
        raise TableError.of(problems)
    if not rows and not shape.may_be_empty:
        raise ContractError("a table without rows", where=name, hint="Restore the table.")
    return rows


def signed_text(data: bytes | str, name: str) -> str:
    """Return the text of a signed file: UTF-8, without its byte order mark.

    Raises
    ------
    ContractError
        For another encoding, a character that cannot be seen, or a last line without an end.
    """
    text = data if isinstance(data, str) else _decoded(data, name)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not text.strip():
        raise ContractError("an empty file", where=name, hint="Restore the table.")
    # A table has few different characters, and a line must be known only where one is refused.
    strange = {c for c in set(text) if c != "\n" and _is_unwritten(c)}
    if strange:
        at = min(text.index(c) for c in strange)
        raise ContractError(
            f"the character U+{ord(text[at]):04X}, which nobody writes",
            expected="text that can be read as it stands",
            where=f"{name}:{text.count(chr(10), 0, at) + 1}",
            hint="Delete it, or write the line anew.",
        )
    if not text.endswith("\n"):
        raise ContractError(
            "a last line without an end: the file may be cut off",
            expected="a line break after the last line",
            where=f"{name}:{text.count(chr(10)) + 1}",
            hint="Compare the last line with the version before, and end it with a line break.",
        )
    return text


def one_line(text: str) -> str:
    """Return what a person wrote as a cell may hold it: one line, nothing that cannot be seen."""
    seen = "".join(c for c in text if c.isspace() or not _is_unwritten(c))
    return " ".join(seen.split())


def _is_unwritten(character: str) -> bool:
    if character.isascii():
        return not character.isprintable() and character != "\t"
    return character == "\ufffd" or unicodedata.category(character) in _UNWRITTEN


def _decoded(data: bytes, name: str) -> str:
    if data.startswith(_UTF16_MARKS):
        raise ContractError(
            "text in UTF-16", expected="UTF-8", where=f"{name}:1", hint=_SAVE_AS_UTF8
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ContractError(
            "text that is not UTF-8 (GB18030, as Excel saves `CSV`, is not)",
            expected="UTF-8",
            where=f"{name}:{line}",
            hint=_SAVE_AS_UTF8,
        ) from None


def _lines(data: bytes | str, name: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers from 1."""
    for number, line in enumerate(signed_text(data, name).split("\n"), start=1):
        if line.strip():
            yield number, line


def _split(line: str) -> list[str]:
    if _ROW.fullmatch(line) is None:
        raise ContractError(
            "a quotation mark that is open, or stands inside a cell without quotes",
            expected='one line for each row; a cell with `,` or `"` in quotes, `"` written twice',
            hint="Close the quotation mark on its line, or delete it.",
        )
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error:
        raise ContractError("a line that is no CSV", expected=CSV_EXPECTED) from None


def _require_columns(header: str, columns: tuple[str, ...], where: str) -> None:
    try:
        found = tuple(cell.strip() for cell in _split(header))
    except ContractError as error:
        raise _placed(error, where) from None
    if found == columns:
        return
    lacking = [name for name in columns if name not in found]
    strange = len([name for name in found if name not in columns])
    told = [f"without {', '.join(lacking)}"] if lacking else []
    told += [f"with {strange} that the table does not have"] if strange else []
    raise ContractError(
        f"other columns: {' and '.join(told) or 'in another order, or twice'}",
        expected=",".join(columns),
        where=where,
        hint="Write the first line as expected, and the cells of each row in that order.",
    )


def _cells(line: str, shape: TableShape) -> Cells:
    found = _split(line)
    if len(found) != len(shape.columns):
        raise ContractError(
            f"a row of {len(found)} cells",
            expected=f"{len(shape.columns)}: {','.join(shape.columns)}",
            hint="Put a cell that holds a comma in quotes; write an empty cell as nothing.",
        )
    cells = {name: cell.strip() for name, cell in zip(shape.columns, found, strict=True)}
    empty = [name for name in shape.stated if not cells[name]]
    if empty:
        raise ContractError(
            f"a row without {', '.join(empty)}", hint="Fill the cell, or delete the row."
        )
    return cells


def _require_new(
    cells: Cells, key: tuple[str, ...], seen: dict[tuple[str, ...], int], number: int
) -> None:
    if not key:
        return
    first = seen.setdefault(tuple(cells[name] for name in key), number)
    if first != number:
        raise ContractError(
            f"a row that stands twice: {', '.join(key)} as in line {first}",
            hint="Keep one of the two.",
        )


def _placed(error: Exception, where: str) -> ContractError:
    if isinstance(error, ContractError):
        hint = error.hint or "Mend the row."
        return ContractError(error.found, expected=error.expected, where=where, hint=hint)
    return ContractError(why(error), where=where, hint="Mend the row.")


def why(error: Exception) -> str:
    """Return in one line why a row or a document cannot be used."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        told = first["msg"].removeprefix("Value error, ")
        return f"{place}: {told}" if place else told
    return str(error.args[0]) if error.args else type(error).__name__
