"""The named cohorts that an export knows: a signed table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import BadInputError
from schemas.rule_tables import TableShape, parse_table


class _Row(BaseModel):
    """One line of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cohort: str = Field(pattern=r"[a-z][a-z0-9_]*")
    exam: Literal["", "baseline_ct", "dce_mri", "eob_mri"]
    labels: str = Field(pattern=r"(?:[A-Z0-9_]+(?:;[A-Z0-9_]+)*)?")
    words_en: str
    words_zh: str
    reason: str
    source: str


@dataclass(frozen=True)
class NamedCohort:
    """Which images of the analysis set a cohort takes.

    Parameters
    ----------
    name : str
        What a user types.
    exam : str
        Role of the examination whose series are taken; empty: of any, label by label.
    labels : tuple of str
        Labels that every case has, in the order of its channels; empty: whatever there is.
    """

    name: str
    exam: str
    labels: tuple[str, ...]


_SHAPE = TableShape(
    tuple(_Row.model_fields),
    key=("cohort",),
    stated=("cohort", "words_en", "words_zh", "reason", "source"),
)


def parse_cohorts(data: bytes | str, name: str) -> dict[str, NamedCohort]:
    """Return the cohorts of a signed table by name; refuses a bad row by file and line."""
    rows = parse_table(data, name, _SHAPE, _Row.model_validate)
    return {row.cohort: _cohort(row) for row in rows}


def _cohort(row: _Row) -> NamedCohort:
    labels = tuple(filter(None, row.labels.split(";")))
    return NamedCohort(row.cohort, row.exam, labels)


def cohort_named(cohorts: dict[str, NamedCohort], name: str) -> NamedCohort:
    """Return a cohort by its name.

    Raises
    ------
    BadInputError
        If there is none of that name; lists those that there are.
    """
    if name not in cohorts:
        raise BadInputError(f"there is no cohort {name!r}", expected=", ".join(cohorts))
    return cohorts[name]
