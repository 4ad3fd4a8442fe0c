"""Which dates can be of the study, and which stand for no date: a signed table.

A constant that stands for "no date" is the same in every hospital. Moved by a person's shift
and published it tells the shift, and with it every real date of the person; so does any other
date that everybody can guess. So a date outside the study's life, birth dates apart, is none
of the person: it is dropped with a finding. Rows stand in
`data_contracts/protocol/study_dates.csv`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableShape, read_table, table_name
from schemas.vault.keys import SHIFT_DAYS_MAX, SHIFT_DAYS_MIN

_FILE = "study_dates.csv"
_KINDS = ("first", "last", "no_date")
_SHAPE = TableShape(("kind", "value", "reason", "source"), key=("kind", "value"))


@dataclass(frozen=True)
class StudyDates:
    """First and last day of the study's life, and the constants that stand for no date."""

    first: dt.date
    last: dt.date
    no_dates: frozenset[dt.date]

    def has(self, day: dt.date) -> bool:
        """Return whether a real date can be of a person of the study, birth dates apart."""
        return self.first <= day <= self.last and day not in self.no_dates

    @property
    def shifted_span(self) -> tuple[dt.date, dt.date]:
        """First and last day that a date of the study can have once it is moved back."""
        return (
            self.first - dt.timedelta(days=SHIFT_DAYS_MAX),
            self.last - dt.timedelta(days=SHIFT_DAYS_MIN),
        )


@lru_cache(maxsize=1)
def load_study_dates() -> StudyDates:
    """Return the table in force."""
    return read_study_dates(data_contracts_dir() / "protocol" / _FILE)


def read_study_dates(path: Path) -> StudyDates:
    """Read the table.

    Raises
    ------
    ContractError
        If a row cannot be used; it names file, line and reason.
    """
    found: dict[str, list[dt.date]] = {kind: [] for kind in _KINDS}
    for kind, day in read_table(path, _SHAPE, _day):
        found[kind].append(day)
    if len(found["first"]) != 1 or len(found["last"]) != 1:
        raise ContractError(
            "the study has not one first and one last day",
            where=f"{table_name(path)}:1",
            hint="Keep one row of each of these kinds.",
        )
    return StudyDates(found["first"][0], found["last"][0], frozenset(found["no_date"]))


def _day(row: Cells) -> tuple[str, dt.date]:
    if row["kind"] not in _KINDS:
        raise ContractError("a row of no known kind", expected=", ".join(_KINDS))
    try:
        return row["kind"], dt.date.fromisoformat(row["value"])
    except ValueError:
        raise ContractError("a value that is no date", expected="YYYY-MM-DD") from None
