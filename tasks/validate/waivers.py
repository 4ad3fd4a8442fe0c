"""Waivers: a person says of one rule and one object that it may stand, until a day. Pure.

A waived finding still stands in the finding table: the fact is what it is. It shuts no gate, and
its query is closed, until the waiver ends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.errors import ContractError
from schemas.records import Finding
from schemas.rule_tables import Cells, TableShape, parse_table

FILE_NAME = "waivers.csv"
#: A waiver is looked at again at least once a year.
DAYS_MAX = 366
#: Nobody can waive that a rule did not run or that a table is not what its contract says.
NEVER_WAIVED = ("RUN-", "CON-")
Text = Annotated[str, Field(min_length=1)]


def _written_out(day: object) -> object:
    """Refuse a day that only a machine reads as one (seconds of 1970): nobody would see it end."""
    if isinstance(day, str) and dt.date.fromisoformat(day).isoformat() != day:
        raise ValueError("expected a day as YYYY-MM-DD")
    return day


Day = Annotated[dt.date, BeforeValidator(_written_out)]


class Waiver(BaseModel):
    """One row of the file of waivers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule_id: Text
    object_type: Text
    object_id: Text
    author: Text
    reason: Annotated[str, Field(min_length=10)]
    granted_on: Day
    expires_on: Day
    closes_as: Literal["confirmed_as_is", "wont_fix"]

    @model_validator(mode="after")
    def _may_be_granted(self) -> Waiver:
        if self.rule_id.startswith(NEVER_WAIVED):
            raise ValueError(f"{self.rule_id} cannot be waived")
        if not 0 < (self.expires_on - self.granted_on).days <= DAYS_MAX:
            raise ValueError(f"a waiver ends 1 to {DAYS_MAX} days after it was granted")
        return self

    @property
    def place(self) -> tuple[str, str, str]:
        """What is waived: the rule and the object."""
        return (self.rule_id, self.object_type, self.object_id)


COLUMNS = tuple(Waiver.model_fields)
_SHAPE = TableShape(
    COLUMNS, key=("rule_id", "object_type", "object_id"), stated=COLUMNS, may_be_empty=True
)


def parse_waivers(data: bytes | str, known_rules: Iterable[str]) -> tuple[Waiver, ...]:
    """Return the waivers of the file.

    Raises
    ------
    ContractError
        If a column is missing or unknown, a row cannot be used, a rule is unknown, or a rule
        and object stand twice; names file and line. Then no waiver counts.
    """
    known = frozenset(known_rules)

    def build(row: Cells) -> Waiver:
        waiver = Waiver.model_validate(row)
        if waiver.rule_id not in known:
            raise ContractError(f"no rule {waiver.rule_id}")
        return waiver

    return tuple(parse_table(data, FILE_NAME, _SHAPE, build))


def apply_waivers(
    findings: Iterable[Finding], waivers: Sequence[Waiver], today: dt.date
) -> dict[str, str]:
    """Return finding id → how its query closes, for every finding waived today.

    Parameters
    ----------
    findings : iterable of Finding
        What stands.
    waivers : sequence of Waiver
        From `parse_waivers`.
    today : datetime.date
        A waiver counts from the day it is granted to the day before it expires.
    """
    valid = {w.place: w.closes_as for w in waivers if w.granted_on <= today < w.expires_on}
    return {
        finding.finding_id: valid[place]
        for finding in findings
        if (place := (finding.rule_id, finding.object_type, finding.object_id)) in valid
    }
