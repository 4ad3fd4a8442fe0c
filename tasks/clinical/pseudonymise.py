"""Rows for the warehouse: pseudonyms, shifted dates, codes and numbers; nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pyarrow as pa

from schemas.clinical_rows import Cell, Missing
from schemas.identifiers import Sha256, SiteCode
from schemas.partial_dates import PartialDate
from schemas.vault.keys import KeyRing
from tasks.clinical.form_contracts import FieldContract, FormContract, read_form_contracts
from tasks.clinical.form_rows import ClinicalIntake, FormRow
from tasks.clinical.pseudonyms import person_keys, rater_code

#: A cell of a warehouse table.
TableCell = str | int | float | dt.date | list[str] | None

#: Columns that hold the code of a reader.
_READERS = ("rater_id", "reader_id")
_ARROW_TYPES = {
    "code": pa.string(),
    "token": pa.string(),
    "integer": pa.int32(),
    "decimal": pa.float64(),
}


def tables_for_batch(
    intake: ClinicalIntake, ring: KeyRing, site: SiteCode
) -> dict[str, list[dict[str, TableCell]]]:
    """Return the de-identified rows of each form of an export, by form name.

    Each row has `subject_id`; codes and numbers under their names; a date known to the day
    as `<name>_shifted`, moved back by the person's own shift; its precision as
    `<name>_precision` (a partial date leaves as precision only: bounds on the start of a
    month would give the shift away); and `missing`, the fields without a value with their
    kind. Subject numbers, birth dates and free text stay in the sealed file.
    """
    tables: dict[str, list[dict[str, TableCell]]] = {}
    for form in intake.forms:
        contract = read_form_contracts()[form.form]
        source = ring.keyed_digest(form.source_sha256)
        rows = [_table_row(contract, row, source, ring, site) for row in form.rows]
        tables.setdefault(form.form, []).extend(rows)
    return {form: sorted(rows, key=repr) for form, rows in sorted(tables.items())}


def arrow_schema_of(form: str) -> pa.Schema:
    """Return the columns of a form's table in the warehouse, in order."""
    fields = [pa.field("subject_id", pa.string(), nullable=False)]
    for column in _released_fields(read_form_contracts()[form]):
        if column.type == "date":
            fields.append(pa.field(f"{column.name}_shifted", pa.date32()))
            fields.append(pa.field(f"{column.name}_precision", pa.string()))
        else:
            fields.append(pa.field(column.name, _ARROW_TYPES[column.type]))
    fields.append(pa.field("missing", pa.list_(pa.string()), nullable=False))
    fields.append(pa.field("source_sha256", pa.string(), nullable=False))
    return pa.schema(fields)


def _table_row(
    contract: FormContract, row: FormRow, source_sha256: Sha256, ring: KeyRing, site: SiteCode
) -> dict[str, TableCell]:
    subject_id, shift_days = person_keys(site, row, ring)
    cells: dict[str, TableCell] = {"subject_id": subject_id}
    for column in _released_fields(contract):
        value = row.values.get(column.name, Missing.NOT_ENTERED)
        cells.update(_released_cells(column, value, shift_days))
    for name in _READERS:
        if isinstance(cells.get(name), str):
            cells[name] = rater_code(site, str(cells[name]), ring)
    cells["missing"] = _missing_list(contract, row)
    cells["source_sha256"] = source_sha256
    return cells


def _released_fields(contract: FormContract) -> Iterator[FieldContract]:
    return (column for column in contract.fields if not column.stays_sealed)


def _released_cells(column: FieldContract, value: Cell, shift_days: int) -> dict[str, TableCell]:
    if column.type == "date":
        return _released_date(column.name, value, shift_days)
    if isinstance(value, Missing | PartialDate):
        return {column.name: None}
    return {column.name: value}


def _released_date(name: str, value: Cell, shift_days: int) -> dict[str, TableCell]:
    if not isinstance(value, PartialDate):
        return {f"{name}_shifted": None, f"{name}_precision": None}
    shifted = value.exact - dt.timedelta(days=shift_days) if value.exact else None
    return {f"{name}_shifted": shifted, f"{name}_precision": value.precision}


def _missing_list(contract: FormContract, row: FormRow) -> list[str]:
    return sorted(
        f"{column.name}={value.value or 'blank'}"
        for column in contract.fields
        if isinstance(value := row.values.get(column.name, Missing.NOT_ENTERED), Missing)
    )
