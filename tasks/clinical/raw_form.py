"""A delivered form before anything in it is understood: cells as text, wherever they stood."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from schemas.states import ReasonCode
from tasks.clinical.form_contracts import FormContract

#: A row of a form and the line, sheet row or item group on which a person finds it.
Line = tuple[int, tuple[str, ...]]


class FormRefusedError(Exception):
    """A form cannot be taken in; says why without quoting what stands in it."""

    def __init__(self, reason: ReasonCode, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


class SheetNumber(str):
    """A cell that a workbook keeps as a number, not as the characters that somebody typed."""

    __slots__ = ()


class PercentNumber(SheetNumber):
    """A number that a workbook shows in per cent: what it shows, a hundred times what it keeps."""

    __slots__ = ()


class UnusableCell(str):
    """A cell without a value that can be trusted; its text is the rule that says why."""

    __slots__ = ()


class NotSent(str):
    """An item that a transaction does not touch: what an earlier export said of it stands."""

    __slots__ = ()


@dataclass(frozen=True)
class Note:
    """What a file format alone lets one find: a rule and where."""

    rule_id: str
    row: int = 0
    column: str = ""
    expected: str = ""


@dataclass(frozen=True)
class Layout:
    """What a file format gives: lines of cells, the heading line first (restricted).

    `stated_dates` and `stated_kinds` are what the format itself says of the export;
    `day_zero` is the day that a workbook counts its days from.
    """

    encoding: str
    lines: tuple[Line, ...] = field(repr=False)
    stated_dates: tuple[str, ...] = ()
    stated_kinds: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    day_zero: dt.date | None = None


@dataclass(frozen=True)
class RawForm:
    """A form as rows of text (restricted).

    `stated_dates` are the export dates of the first lines, the file name and the file format;
    `stated_kinds` the same for full or incremental. Rows carry the line on which they end, as
    a person sees it in an editor.
    """

    contract: FormContract
    encoding: str
    stated_dates: tuple[str, ...]
    headings: tuple[str, ...] = field(repr=False)
    rows: tuple[Line, ...] = field(repr=False)
    stated_kinds: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    day_zero: dt.date | None = None
