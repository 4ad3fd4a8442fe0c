"""Columns of a form to fields of its contract, by heading; nothing by position."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.states import ReasonCode
from tasks.clinical.direct_identifiers import identifier_kind_of_heading
from tasks.clinical.form_contracts import FieldContract, FormContract, Header, read_conventions
from tasks.clinical.raw_form import FormRefusedError
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
    """Where each field stands, which columns nobody knows, and what the export says of itself.

    `unnamed` are columns without a heading: what stands in them belongs to no field.
    """

    columns: tuple[Column, ...]
    unknown: tuple[tuple[int, str], ...]
    unnamed: tuple[int, ...]
    export_as_of_index: int | None
    export_kind_index: int | None


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
    conventions = read_conventions()
    columns: list[Column] = []
    unknown: list[tuple[int, str]] = []
    unnamed: list[int] = []
    for index, heading in enumerate(headings):
        name, unit = split_unit(heading)
        if (field := known.get(fold(heading)) or known.get(name)) is not None:
            columns.append(Column(index, field, _unit_factor(field, unit)))
        elif not name:
            unnamed.append(index)
        elif name not in _of_the_export():
            unknown.append((index, _nearest(name, known)))
    _require_once(columns)
    _require_all(contract, columns, headings, [index for index, _ in unknown])
    return ColumnMap(
        columns=tuple(columns),
        unknown=tuple(unknown),
        unnamed=tuple(unnamed),
        export_as_of_index=_index_of(conventions.export_as_of.header, headings),
        export_kind_index=_index_of(conventions.export_kind.header, headings),
    )


def _of_the_export() -> set[str]:
    conventions = read_conventions()
    headers = (conventions.export_as_of.header, conventions.export_kind.header)
    return {split_unit(text)[0] for header in headers for text in header.spellings}


def _index_of(header: Header, headings: Sequence[str]) -> int | None:
    names = {split_unit(text)[0] for text in header.spellings}
    found = [index for index, text in enumerate(headings) if split_unit(text)[0] in names]
    return found[-1] if found else None


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
        for spelling in field.spellings
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


def _require_all(
    contract: FormContract,
    columns: Sequence[Column],
    headings: Sequence[str],
    unknown: Sequence[int],
) -> None:
    there = {column.field.name for column in columns}
    lacking = [f for f in contract.fields if f.required and f.name not in there]
    if lacking:
        said = ", ".join(_with_nearest(field, headings, unknown) for field in lacking)
        raise FormRefusedError(ReasonCode.UNREADABLE_FORM, f"required columns are missing: {said}")


def _with_nearest(field: FieldContract, headings: Sequence[str], unknown: Sequence[int]) -> str:
    """Return the name of a missing field and the number of the column most like it."""
    by_name = {split_unit(headings[index])[0]: index for index in unknown}
    for spelling in field.spellings:
        near = difflib.get_close_matches(
            split_unit(spelling)[0], sorted(by_name), n=1, cutoff=_NEAR_ENOUGH
        )
        if near:
            return f"{field.header.zh} (column {by_name[near[0]] + 1} is nearest)"
    return field.header.zh
