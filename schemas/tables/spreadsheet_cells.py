"""Texts in CSV that people open in a spreadsheet: none of them may run as a formula."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Excel and LibreOffice take a cell that begins like this for a formula (OWASP, CSV injection).
FORMULA_START = r"^[=+\-@\t\r]"
_ONE = r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?"
#: A number stays one, whatever its sign; so does a list of them, with `;` between.
NUMBER = rf"^{_ONE}(;{_ONE})*$"
_START, _NUMBER = re.compile(FORMULA_START), re.compile(NUMBER)


def plain_row(cells: Iterable[object]) -> list[object]:
    """Return the cells of a row, the texts among them as `plain_cell` gives them."""
    return [plain_cell(cell) if isinstance(cell, str) else cell for cell in cells]


def plain_cell(text: str) -> str:
    """Return a text as a spreadsheet shows it and never runs it: an apostrophe in front."""
    return f"'{text}" if _START.match(text) and not _NUMBER.match(text) else text
