"""Who enters a release: subjects who consented or for whom consent was waived. Pure.

Everyone else is counted in the nodes of the flow and appears nowhere by name, not even in a
finding about one of their images.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from schemas.clinical_rows import ClinicalRow
from schemas.consent import RELEASED_CONSENT
from schemas.run.sites import SITE_CODE_PATTERN
from schemas.tables.contracts import TableContract
from tasks.publish.diff.reasons import CONSENT_WITHDRAWN

_SUBJECT = re.compile(rf"(?:{SITE_CODE_PATTERN})-[A-Z2-7]{{8}}")
_PARTS = re.compile(r"[A-Za-z0-9._-]+")
#: Sums over subjects, and what the site did: kept whole.
_KEEP_ROWS = {"screening_log"}


def released_tables(
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    kept_out: Collection[str] = (),
) -> dict[str, pa.Table]:
    """Return the tables with the rows of released subjects only; those `kept_out` are not.

    A row of the screening log stays, without its pseudonym. Findings that name a removed
    object are removed; those of images are named by their series.
    """
    return rows_of(tables, contracts, released_subjects(tables["subject"], kept_out))


def released_subjects(subject: pa.Table, kept_out: Collection[str] = ()) -> pa.Array:
    """Return the pseudonyms of those who are released."""
    consented = pc.is_in(subject["consent_status"], value_set=pa.array(RELEASED_CONSENT))
    barred = pc.is_in(subject["subject_id"], value_set=pa.array(sorted(kept_out), pa.string()))
    inside = pc.and_(consented, pc.invert(barred))
    return subject.filter(inside)["subject_id"].combine_chunks()


@dataclass(frozen=True)
class KeptOut:
    """keep-out → publish: why each suppressed or erased subject is not in the release."""

    reasons: Mapping[str, str] = field(repr=False)


def withdrawn_rows(
    rows: Iterable[ClinicalRow], withdrawn: Collection[str]
) -> tuple[ClinicalRow, ...]:
    """Return the form rows with the consent of the subjects named set to `withdrawn`."""
    return tuple(
        replace(row, values={**row.values, "consent_status": "withdrawn"})
        if row.subject_id in withdrawn and "consent_status" in row.values
        else row
        for row in rows
    )


def reasons_of_removal(subject: pa.Table, kept_out: Mapping[str, str]) -> dict[str, str]:
    """Return pseudonym → why the subject is not released, where the consent or a list says it."""
    withdrawn = subject.filter(pc.equal(subject["consent_status"], "withdrawn"))
    found = dict.fromkeys(withdrawn["subject_id"].to_pylist(), CONSENT_WITHDRAWN)
    return found | dict(kept_out)


def rows_of(
    tables: Mapping[str, pa.Table], contracts: Mapping[str, TableContract], released: pa.Array
) -> dict[str, pa.Table]:
    """Return the tables with the rows of the subjects named, and rows of nobody."""
    kept: dict[str, pa.Table] = {}
    removed: set[str] = set()
    for name, table in tables.items():
        if "subject_id" not in table.column_names:
            kept[name] = table
            continue
        inside = pc.is_in(table["subject_id"], value_set=released)
        if pc.all(inside, min_count=0).as_py():
            kept[name] = table
            continue
        outside = table.filter(pc.and_(pc.invert(inside), pc.is_valid(table["subject_id"])))
        removed |= _ids(outside, contracts[name])
        kept[name] = _unnamed(table, inside) if name in _KEEP_ROWS else table.filter(inside)
    if "finding" in kept:
        kept["finding"] = _without_removed(kept["finding"], removed, set(released.to_pylist()))
    return {name: table.combine_chunks() for name, table in kept.items()}


def _ids(rows: pa.Table, contract: TableContract) -> set[str]:
    """Return what could name a person's objects: pseudonyms, UIDs, digests, ids.

    A number names nothing: slice 1 of somebody who left is not slice 1 of everybody else. Nor does
    a batch, which brought others as well.
    """
    names = ["subject_id"]
    if contract.name not in _KEEP_ROWS:
        names += [
            key
            for key in contract.primary_key
            if contract.column(key).code_list is None
            and not pa.types.is_integer(contract.column(key).arrow_type)
            and key != "batch_id"
        ]
    return {str(value) for name in names for value in pc.unique(rows[name]).to_pylist()}


def _unnamed(table: pa.Table, inside: pa.ChunkedArray) -> pa.Table:
    at = table.schema.get_field_index("subject_id")
    blank = pa.scalar(None, type=pa.string())
    return table.set_column(
        at, table.schema.field(at), pc.if_else(inside, table["subject_id"], blank)
    )


def _without_removed(findings: pa.Table, removed: set[str], released: set[str]) -> pa.Table:
    """Leave out what names a removed object, or a person of whom no table has a row."""
    keep = []
    for object_id in findings["object_id"].to_pylist():
        parts = set(_PARTS.findall(str(object_id)))
        people = {part for part in parts if _SUBJECT.fullmatch(part)}
        keep.append(parts.isdisjoint(removed) and people <= released)
    return findings.filter(pa.array(keep, type=pa.bool_()))
