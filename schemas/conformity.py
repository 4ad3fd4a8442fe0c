"""What a DICOM validator said of one object of a series, as delivered and as written."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from schemas.package_data import data_contracts_dir
from schemas.rule_tables import TableShape, read_table

CONFORMITY_TABLE = "conformity"
#: What a release says of its series.
CONFORMITY_CSV = "conformity.csv"
CONFORMITY_COLUMNS = (
    "series_uid",
    "validator",
    "not_checked",
    "delivered_errors",
    "delivered_warnings",
    "released_errors",
    "released_warnings",
    "new_errors",
    "new_warnings",
    "new_lines",
)
_LINES = TableShape(
    ("line", "reason_en", "reason_zh", "source"),
    key=("line",),
    stated=("line", "reason_en", "reason_zh", "source"),
)


@dataclass(frozen=True)
class ConformityRow:
    """One object of one series; of a value neither validator nor row says anything.

    Parameters
    ----------
    sop_uid, series_uid : str
        The object that stands for the series: mapped UIDs.
    validator : str
        Program and version; empty where none was there.
    not_checked : str
        Why nothing can be said; empty where both objects were read.
    delivered_errors, delivered_warnings, released_errors, released_warnings : int
        Lines of the validator.
    new_errors, new_warnings : int
        Lines about the object written that the delivered one does not have.
    new_lines : tuple of str
        Their kinds: severity, attribute and message, in order.
    """

    sop_uid: str
    series_uid: str
    validator: str
    not_checked: str = ""
    delivered_errors: int = 0
    delivered_warnings: int = 0
    released_errors: int = 0
    released_warnings: int = 0
    new_errors: int = 0
    new_warnings: int = 0
    new_lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class KnownLine:
    """A line of the validator that de-identification adds, and why it stays."""

    line: str
    reason_en: str
    reason_zh: str
    source: str


@cache
def load_known_lines() -> dict[str, KnownLine]:
    """Return the lines whose reason is known, by their text."""
    path = data_contracts_dir() / "deidentification" / "validator_lines.csv"
    return {one.line: one for one in read_known_lines(path)}


def read_known_lines(path: Path) -> tuple[KnownLine, ...]:
    """Return the rows of a table of known lines."""
    return tuple(read_table(path, _LINES, lambda row: KnownLine(**row)))


def parse_conformity(text: str) -> tuple[ConformityRow, ...]:
    """Return the rows of the document of an earlier release; none of a release without one."""
    read = csv.DictReader(io.StringIO(text))
    return tuple(
        ConformityRow(
            sop_uid="",
            series_uid=row["series_uid"],
            validator=row["validator"],
            not_checked=row["not_checked"],
            new_lines=tuple(filter(None, row["new_lines"].split("; "))),
            **{name: int(row[name] or 0) for name in CONFORMITY_COLUMNS[3:-1]},
        )
        for row in read
    )
