"""The tables of the answer key: their columns, and what a reader is told of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from schemas.errors import ContractError

_TEXT, _WHOLE, _NUMBER = pa.string(), pa.int64(), pa.float64()


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns.items()])


IDENTIFIERS = _schema(
    site=_TEXT, subject_no=_TEXT, kind=_TEXT, value=_TEXT, place=_TEXT, scope=_TEXT
)
LABELS = _schema(
    site=_TEXT, subject_no=_TEXT, night=_WHOLE, study_uid=_TEXT, role=_TEXT, series_uid=_TEXT,
    sub_stack_digest=_TEXT, instance_numbers=pa.list_(_WHOLE), n_files=_WHOLE, modality=_TEXT,
    vendor=_TEXT, series_description=_TEXT, label=_TEXT, weighting=_TEXT, contrast_phase=_TEXT,
    after_injection_s=_NUMBER, acquired_at_s=_NUMBER, agent_class=_TEXT, echo_time_ms=_NUMBER,
    b_values=pa.list_(_NUMBER), n_slices=_WHOLE, rows=_WHOLE, columns=_WHOLE,
    pixel_spacing_mm=_NUMBER, slice_thickness_mm=_NUMBER, slice_gap_mm=_NUMBER,
    orientation_lps=pa.list_(_NUMBER), first_position_lps=pa.list_(_NUMBER),
    last_position_lps=pa.list_(_NUMBER), field_strength_t=_NUMBER, transfer_syntax_uid=_TEXT,
    enhanced=pa.bool_(), tiles=_TEXT,
)  # fmt: skip
ELIGIBILITY = _schema(
    site=_TEXT, subject_no=_TEXT, night=_WHOLE, reading=_TEXT, story=_TEXT, consent=_TEXT,
    criterion=_TEXT, effect=_TEXT,
)  # fmt: skip
FILES = _schema(
    site=_TEXT, night=_WHOLE, export=_TEXT, path=_TEXT, state=_TEXT, reason=_TEXT, fault=_TEXT
)
FAULTS = _schema(
    fault=_TEXT, site=_TEXT, night=_WHOLE, subject_no=_TEXT, path=_TEXT, twin=_TEXT, form=_TEXT,
    series_uid=_TEXT, sop_uid=_TEXT, instance_number=_WHOLE, code=_TEXT, n_files=_WHOLE,
    arrives_on_night=_WHOLE, detail=_TEXT,
)  # fmt: skip
ANSWERS = _schema(
    site=_TEXT, night=_WHOLE, form=_TEXT, row_no=_WHOLE, subject_no=_TEXT, field=_TEXT,
    written=_TEXT, value=_TEXT, precision=_TEXT,
)  # fmt: skip
KEY_SCHEMAS: dict[str, pa.Schema] = {
    "identifiers": IDENTIFIERS,
    "labels": LABELS,
    "eligibility": ELIGIBILITY,
    "files": FILES,
    "faults": FAULTS,
    "answers": ANSWERS,
}


@dataclass(frozen=True)
class PlantedLine:
    """One line of the summary of what was planted."""

    what: str
    name: str
    where: str
    n: int


def key_table(name: str, rows: Iterable[Mapping[str, object]]) -> pa.Table:
    """Return rows as a table of the answer key; what a row does not say is null.

    Raises
    ------
    ContractError
        If a row has a column that the table does not declare.
    """
    schema, listed = KEY_SCHEMAS[name], [dict(row) for row in rows]
    if name == "faults":
        listed = [_with_detail(row) for row in listed]
    unknown = {column for row in listed for column in row} - set(schema.names)
    if unknown:
        raise ContractError(
            f"the answer key's table {name} has no column {', '.join(sorted(unknown))}",
            where="key_tables.py",
        )
    return pa.Table.from_pylist(listed, schema=schema)


def _with_detail(row: dict[str, object]) -> dict[str, object]:
    """Return a fault with the facts that only it has as JSON in `detail`."""
    own = {column: value for column, value in row.items() if column not in FAULTS.names}
    if not own:
        return row
    shared = {column: value for column, value in row.items() if column in FAULTS.names}
    return shared | {"detail": json.dumps(own, ensure_ascii=False, sort_keys=True)}


def planted_lines(tables: Mapping[str, pa.Table]) -> list[PlantedLine]:
    """Return what was planted: identifiers by kind, faults, expected states, true statuses."""
    identifiers = _counted(tables["identifiers"], "identifier", "kind", "site")
    faults = _counted(tables["faults"], "fault", "fault", "site")
    states = _counted(tables["files"], "file", "state", "reason")
    labels = _counted(tables["labels"], "series", "label", "modality")
    eligibility = tables["eligibility"]
    last = max(eligibility["night"].to_pylist(), default=0)
    literal = [
        row
        for row in eligibility.to_pylist()
        if (row["criterion"], row["reading"], row["night"]) == ("status", "literal", last)
    ]
    statuses = _counted(key_table("eligibility", literal), "subject", "effect", "site")
    return [*identifiers, *faults, *states, *labels, *statuses]


def _counted(table: pa.Table, what: str, name: str, where: str) -> list[PlantedLine]:
    """Return one line per value of `name`, with the values of `where` that occur with it."""
    counts: dict[str, int] = {}
    places: dict[str, set[str]] = {}
    for value, place in zip(table[name].to_pylist(), table[where].to_pylist(), strict=True):
        counts[value] = counts.get(value, 0) + 1
        places.setdefault(value, set()).update([place] if place else [])
    return [
        PlantedLine(what, value, " ".join(sorted(places[value])), counts[value])
        for value in sorted(counts)
    ]
