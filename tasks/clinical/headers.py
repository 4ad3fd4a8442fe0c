"""Columns of a form to fields of its contract, by heading; nothing by position."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.states import ReasonCode
from tasks.clinical.decode import FormRefusedError
from tasks.clinical.direct_identifiers import identifier_kind_of_heading
from tasks.clinical.form_contracts import FieldContract, FormContract, read_conventions
from tasks.clinical.text import fold, split_unit

_NEAR_ENOUGH = 0.6


@dataclass(frozen=True)
class Column:
    """One column of a form that the contract knows.

    `factor` turns a number of the column into the unit of the contract.
    """

    index: int
    field: FieldContract
    factor: float = 1.0


@dataclass(frozen=True)
class ColumnMap:
    """Where each field stands, which columns nobody knows, and where the export date stands."""

    columns: tuple[Column, ...]
    unknown: tuple[tuple[int, str], ...]
    export_as_of_index: int | None

    def index_of(self, name: str) -> int | None:
        """Return where a field stands."""
        return next((column.index for column in self.columns if column.field.name == name), None)


def map_headings(contract: FormContract, headings: Sequence[str]) -> ColumnMap:
    """Return which column holds which field.

    Parameters
    ----------
    contract : FormContract
        The form.
    headings : sequence of str
        First line of the form; width, case, spaces, underscores and a unit in brackets make
        no difference.

    Raises
    ------
    FormRefusedError
        If a column is a direct identifier, a field stands twice, a required one is missing
        (the nearest field found is named), or a unit is not known.
    """
    _refuse_direct_identifiers(headings)
    known = _fields_by_heading(contract)
    as_of = {split_unit(text)[0] for text in read_conventions().export_as_of.header.spellings}
    columns: list[Column] = []
    unknown: list[tuple[int, str]] = []
    as_of_index = None
    for index, heading in enumerate(headings):
        name, unit = split_unit(heading)
        if name in as_of:
            as_of_index = index
        elif (field := known.get(fold(heading)) or known.get(name)) is not None:
            columns.append(Column(index, field, _unit_factor(field, unit)))
        elif name:
            unknown.append((index, _nearest(name, known)))
    _require_once(columns)
    _require_all(contract, columns)
    return ColumnMap(tuple(columns), tuple(unknown), as_of_index)


def _refuse_direct_identifiers(headings: Sequence[str]) -> None:
    for index, heading in enumerate(headings):
        kind = identifier_kind_of_heading(heading)
        if kind is not None:
            raise FormRefusedError(
                ReasonCode.DIRECT_IDENTIFIER_COLUMN, f"column {index + 1} holds {kind}"
            )


def _fields_by_heading(contract: FormContract) -> dict[str, FieldContract]:
    return {
        heading: field
        for field in contract.fields
        for spelling in field.header.spellings
        for heading in (fold(spelling), split_unit(spelling)[0])
    }


def _unit_factor(field: FieldContract, unit: str | None) -> float:
    if unit is None or field.unit is None or unit == field.unit:
        return 1.0
    if unit in field.other_units:
        return field.other_units[unit]
    raise FormRefusedError(
        ReasonCode.UNREADABLE_FORM, f"column {field.header.zh} is in a unit other than {field.unit}"
    )


def _nearest(name: str, known: dict[str, FieldContract]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=_NEAR_ENOUGH)
    return known[near[0]].header.zh if near else ""


def _require_once(columns: Sequence[Column]) -> None:
    names = [column.field.name for column in columns]
    for column in columns:
        if names.count(column.field.name) > 1:
            raise FormRefusedError(
                ReasonCode.UNREADABLE_FORM, f"column {column.field.header.zh} stands twice"
            )


def _require_all(contract: FormContract, columns: Sequence[Column]) -> None:
    there = {column.field.name for column in columns}
    lacking = [f.header.zh for f in contract.fields if f.required and f.name not in there]
    if lacking:
        raise FormRefusedError(
            ReasonCode.UNREADABLE_FORM, f"required columns are missing: {', '.join(lacking)}"
        )
