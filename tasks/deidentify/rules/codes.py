"""Coded entries that may stay: scheme, value and the standard's own meaning (`codes.csv`).

Of a code item only scheme and value are read. The meaning that was delivered is free text, and
what is written is the one of the table: a translation, or a name typed there, does not stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from schemas.rule_tables import Cells, TableShape, read_table

_CODE_ROWS = TableShape(
    ("list", "scheme", "value", "meaning", "source"),
    key=("list", "scheme", "value"),
    stated=("list", "scheme", "value", "meaning", "source"),
)
#: Older names of one scheme (PS3.16 section 8).
_OLDER_NAMES = {"SNM3": "SRT", "99SDM": "SRT"}
_LONGEST = {"scheme": 16, "value": 16, "meaning": 64}

#: (scheme, value) → meaning.
CodeList = Mapping[tuple[str, str], str]


def read_codes(path: Path) -> dict[str, CodeList]:
    """Read the lists of coded entries.

    Raises
    ------
    ContractError
        If a row cannot be used; it names file, line and reason.
    """
    lists: dict[str, dict[tuple[str, str], str]] = {}
    for name, code, meaning in read_table(path, _CODE_ROWS, _code_row):
        lists.setdefault(name, {})[code] = meaning
    return {name: MappingProxyType(codes) for name, codes in lists.items()}


def find_code(codes: CodeList, scheme: str, value: str) -> tuple[str, str, str] | None:
    """Return scheme, value and meaning of an entry of the list, None for any other."""
    scheme = _OLDER_NAMES.get(scheme, scheme)
    meaning = codes.get((scheme, value))
    return None if meaning is None else (scheme, value, meaning)


def _code_row(row: Cells) -> tuple[str, tuple[str, str], str]:
    for name, longest in _LONGEST.items():
        if len(row[name]) > longest or not row[name].isascii():
            raise ValueError(f"a {name} is plain text of at most {longest} characters")
    return row["list"], (row["scheme"], row["value"]), row["meaning"]
