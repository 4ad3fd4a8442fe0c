"""Write the audit of a batch or of a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydicom import __version__ as pydicom_version

from schemas.dicom.delivered_facts import DELIVERED_FACTS_TABLE
from schemas.run.atomic_files import written_whole
from schemas.run.software import software_version
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing, Purpose
from tasks.deidentify.audit import (
    FIRST_LINK,
    AuditVersions,
    LinkOf,
    audit_tables,
    first_broken_row,
    head,
    head_of,
)
from tasks.deidentify.gathered import facts_table
from tasks.deidentify.packed import Trail
from tasks.deidentify.rules.profile import TABLE_EDITION, profile_sha256

AUDIT_FILE = "audit.parquet"
_WRITTEN: Mapping[str, Any] = {"compression": "zstd", "store_schema": False}
FACTS_FILE = f"{DELIVERED_FACTS_TABLE}.parquet"


def write_audit(
    path: Path, files: pa.Table, kinds: Sequence[Trail], ring: KeyRing, *, mode: int = 0o644
) -> str:
    """Write one chained row per file and return the head; the same batch gives the same bytes.

    Parameters
    ----------
    path : Path
        The file to write.
    files : pyarrow.Table
        Where each file ended: `settle.OUTCOMES`, or `audit.audit_columns` of records.
    kinds : sequence of Trail
        What was done to files, by the places that `files` tells.
    ring : KeyRing
        Keys.
    mode : int
        Of the file.
    """
    versions = AuditVersions(
        profile_sha256=profile_sha256(),
        table_edition=TABLE_EDITION,
        key_id=ring.key_id,
        software=f"livercohort {software_version()}, pydicom {pydicom_version}",
    )
    tables = audit_tables(files, kinds, versions, _link_of(ring))
    first = next(tables)
    n_rows, last = 0, FIRST_LINK
    with (
        written_whole(path, mode=mode) as stream,
        pq.ParquetWriter(stream, first.schema, **_WRITTEN) as writer,
    ):
        for table in chain((first,), tables):
            writer.write_table(table)
            if table.num_rows:
                n_rows, last = n_rows + table.num_rows, table["row_sha256"][-1].as_py()
    return head(n_rows, last)


def write_facts(path: Path, files: pa.Table, facts: Sequence[bytes]) -> None:
    """Write what the delivered headers said of the accepted objects, a row each."""
    with written_whole(path) as stream:
        pq.write_table(facts_table(files, facts), stream, **_WRITTEN)


def broken_audits(zones: Zones, ring: KeyRing) -> list[str]:
    """Return what is wrong with the audits of committed batches, by site and batch.

    The head in `batch.json` shows rows that were cut off. Batches of version 0.1 have no head:
    their chain was not keyed and proves nothing.
    """
    wrong = []
    for path in sorted((zones.warehouse / "batches").glob("[!.]*/[!.]*/batch.json")):
        record = json.loads(path.read_bytes())
        stated = record.get("audit_head")
        if stated is None:
            continue
        name = f"batch {record['batch_id']} of {record['site_code']}"
        place = zones.restricted / "batches" / record["site_code"] / record["batch_id"]
        try:
            table = pq.read_table(place / AUDIT_FILE)
            row = first_broken_row(table, _link_of(ring))
        except (OSError, pa.ArrowException, KeyError):
            wrong.append(f"{name}: the audit is missing or cannot be read")
            continue
        if row is not None:
            wrong.append(f"{name}: row {row} of the audit was changed")
        elif head_of(table) != stated:
            wrong.append(f"{name}: the audit has {table.num_rows} rows, not those it had")
    return wrong


def _link_of(ring: KeyRing) -> LinkOf:
    return lambda text: ring.mac(Purpose.AUDIT, text).hex()
