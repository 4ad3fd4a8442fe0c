"""Forms that go out to a site as a table and come back filled in. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from schemas.errors import BadInputError

#: Our name, and whatever stands in brackets behind it.
_HEADING = re.compile(r"\s*([a-z_]+)\s*(?:[（(].*)?", re.DOTALL)


def outgoing_headings(columns: Mapping[str, str]) -> list[str]:
    """Return the headings of a form: our name of each column, and the Chinese one behind it."""
    return [f"{name}（{chinese}）" for name, chinese in columns.items()]


def returned_rows(
    table: Sequence[Sequence[str]], needed: Sequence[str], *, where: str, hint: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield the needed cells of every row that is not blank, and its line.

    Parameters
    ----------
    table : sequence of sequence of str
        All rows as they came back, the headings first; rows may be of any length.
    needed : sequence of str
        Our names of the columns wanted, in the order of the cells.
    where, hint : str
        What the form is called in an error, and what to do about it.

    Yields
    ------
    tuple of int and list of str
        The line, counted from 1 with the headings; the cells without blanks around them.

    Raises
    ------
    BadInputError
        If there is no heading, or a needed column is missing or stands twice.
    """
    headings = table[0] if table else []
    names = [found[1] if (found := _HEADING.match(cell)) else "" for cell in headings]
    wrong = [name for name in needed if names.count(name) != 1]
    if wrong:
        raise BadInputError(
            f"columns are missing or stand twice: {', '.join(wrong)}",
            expected=", ".join(needed),
            where=f"line 1 of {where}",
            hint=hint,
        )
    places = [names.index(name) for name in needed]
    for line, cells in enumerate(table[1:], start=2):
        padded = [*cells, *[""] * len(names)]
        if any(cell.strip() for cell in cells):
            yield line, [padded[place].strip() for place in places]
