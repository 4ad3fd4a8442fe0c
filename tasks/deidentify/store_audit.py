"""Write the audit of a batch or of a folder."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydicom import __version__ as pydicom_version

from schemas.dicom.delivered_facts import DELIVERED_FACTS_TABLE, DeliveredFacts
from schemas.records import FileOutcome
from schemas.run.atomic_files import write_bytes
from schemas.run.software import software_version
from schemas.run.zones import Zones
from schemas.tables.record_tables import table_from_records
from schemas.vault.keys import KeyRing, Purpose
from tasks.deidentify.audit import (
    AuditVersions,
    LinkOf,
    audit_table,
    first_broken_row,
    head_of,
)
from tasks.deidentify.rules.profile import TABLE_EDITION, profile_sha256
from tasks.deidentify.store import DeidentifiedBatch

AUDIT_FILE = "audit.parquet"
FACTS_FILE = f"{DELIVERED_FACTS_TABLE}.parquet"


def write_audit(
    path: Path,
    batch: DeidentifiedBatch,
    outcomes: Sequence[FileOutcome],
    ring: KeyRing,
    *,
    mode: int = 0o644,
) -> str:
    """Write one chained row per file and return the head; the same batch gives the same bytes."""
    versions = AuditVersions(
        profile_sha256=profile_sha256(),
        table_edition=TABLE_EDITION,
        key_id=ring.key_id,
        software=f"livercohort {software_version()}, pydicom {pydicom_version}",
    )
    table = audit_table(
        outcomes, batch.counts, batch.trails, batch.options, versions, _link_of(ring)
    )
    _write(path, table, mode)
    return head_of(table)


def write_facts(path: Path, outcomes: Sequence[FileOutcome]) -> None:
    """Write what the delivered headers said of the accepted objects, a row each."""
    facts = [outcome.facts for outcome in outcomes if outcome.facts is not None]
    _write(path, table_from_records(facts, DeliveredFacts, key=["sop_uid"]), 0o644)


def _write(path: Path, table: pa.Table, mode: int) -> None:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd", store_schema=False)
    write_bytes(path, stream.getvalue(), mode=mode)


def broken_audits(zones: Zones, ring: KeyRing) -> list[str]:
    """Return what is wrong with the audits of committed batches, by site and batch.

    The head in `batch.json` shows rows that were cut off. Batches of version 0.1 have no head:
    their chain was not keyed and proves nothing.
    """
    wrong = []
    for path in sorted((zones.warehouse / "batches").glob("[!.]*/[!.]*/batch.json")):
        record = json.loads(path.read_bytes())
        head = record.get("audit_head")
        if head is None:
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
        elif head_of(table) != head:
            wrong.append(f"{name}: the audit has {table.num_rows} rows, not those it had")
    return wrong


def _link_of(ring: KeyRing) -> LinkOf:
    return lambda text: ring.mac(Purpose.AUDIT, text).hex()
