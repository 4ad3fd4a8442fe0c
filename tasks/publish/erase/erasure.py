"""What a release keeps when one subject is erased from it. Pure."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.run.atomic_files import canonical_json

TOMBSTONES = "tombstones.json"
_PARTS = re.compile(r"[A-Za-z0-9._-]+")
#: Columns that name an object of a person, in any table.
_NAMING = re.compile(r".*(_uid|_id|_digest)$")
_SHARED = {"batch_id", "code_list", "mask_volume_id", "criterion_id"}


def names_of(tables: Mapping[str, pa.Table], subject_id: str) -> frozenset[str]:
    """Return the pseudonym and every id of an object of the subject."""
    found = {subject_id}
    for table in tables.values():
        if "subject_id" not in table.column_names:
            continue
        theirs = table.filter(pc.equal(table["subject_id"], subject_id))
        for name in table.column_names:
            if _NAMING.fullmatch(name) and name not in _SHARED:
                found |= {str(v) for v in theirs[name].to_pylist() if v is not None}
    return frozenset(found)


def without_subject(name: str, table: pa.Table, subject_id: str, named: frozenset[str]) -> pa.Table:
    """Return the rows of a table that are not about the subject.

    A row of the screening log stays, without its pseudonym: it counts a person.
    """
    if name == "finding":
        keep = [
            named.isdisjoint(_PARTS.findall(str(one))) for one in table["object_id"].to_pylist()
        ]
        return table.filter(pa.array(keep, pa.bool_()))
    if "subject_id" not in table.column_names:
        return table
    theirs = pc.fill_null(pc.equal(table["subject_id"], subject_id), False)
    if name != "screening_log":
        return table.filter(pc.invert(theirs))
    at = table.schema.get_field_index("subject_id")
    blank = pc.if_else(theirs, pa.scalar(None, pa.string()), table["subject_id"])
    return table.set_column(at, table.schema.field(at), blank)


def lines_without(text: str, named: frozenset[str]) -> str:
    """Return a CSV text without the rows that name the subject or an object of it."""
    rows = csv.reader(StringIO(text))
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows(
        row
        for row in rows
        if named.isdisjoint(part for cell in row for part in _PARTS.findall(cell))
    )
    return out.getvalue()


def changes_without(changes: pa.Table, named: frozenset[str]) -> pa.Table:
    """Return published changes without those that name the subject or an object of it."""
    keep = [True] * changes.num_rows
    for name in ("key", "subject_id", "before", "after"):
        for at, text in enumerate(changes[name].to_pylist()):
            if keep[at] and not named.isdisjoint(_PARTS.findall(text)):
                keep[at] = False
    return changes.filter(pa.array(keep, pa.bool_()))


def tombstones(old: bytes | None, subject_id: str, content_hash_before: str) -> bytes:
    """Return `tombstones.json`: who was erased from this release, by pseudonym only."""
    known: list[dict[str, str]] = json.loads(old) if old else []
    row = {"subject_id": subject_id, "content_hash_before": content_hash_before}
    return canonical_json([*known, row])


def crate_without(crate: bytes, gone: frozenset[str], added: Mapping[str, str]) -> bytes:
    """Return the RO-Crate without files that are gone and with those that came."""
    document: dict[str, Any] = json.loads(crate)
    graph = [entity for entity in document["@graph"] if entity["@id"] not in gone]
    present = {entity["@id"] for entity in graph}
    new = [
        {
            "@id": path,
            "@type": "File",
            "name": path,
            "encodingFormat": "application/json",
            "sha256": digest,
        }
        for path, digest in added.items()
        if path not in present
    ]
    for entity in graph:
        if entity["@id"] == "./":
            kept = [part for part in entity["hasPart"] if part["@id"] not in gone]
            kept += [{"@id": entry["@id"]} for entry in new]
            entity["hasPart"] = sorted(kept, key=lambda part: str(part["@id"]))
    document["@graph"] = [*graph, *new]
    return canonical_json(document)
