"""Write the audit of a batch or of a folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydicom import __version__ as pydicom_version

from schemas.dicom.delivered_facts import DELIVERED_FACTS_TABLE, DeliveredFacts
from schemas.records import FileOutcome
from schemas.run.atomic_files import write_bytes
from schemas.run.software import software_version
from schemas.tables.record_tables import table_from_records
from tasks.deidentify.audit import AuditVersions, audit_table
from tasks.deidentify.rules.profile import TABLE_EDITION, profile_sha256
from tasks.deidentify.store import DeidentifiedBatch

AUDIT_FILE = "audit.parquet"
FACTS_FILE = f"{DELIVERED_FACTS_TABLE}.parquet"


def write_audit(
    path: Path,
    batch: DeidentifiedBatch,
    outcomes: Sequence[FileOutcome],
    key_id: str,
    *,
    mode: int = 0o644,
) -> None:
    """Write one chained row per file; the same batch gives the same bytes."""
    versions = AuditVersions(
        profile_sha256=profile_sha256(),
        table_edition=TABLE_EDITION,
        key_id=key_id,
        software=f"livercohort {software_version()}, pydicom {pydicom_version}",
    )
    table = audit_table(outcomes, batch.counts, batch.trails, batch.options, versions)
    _write(path, table, mode)


def write_facts(path: Path, outcomes: Sequence[FileOutcome]) -> None:
    """Write what the delivered headers said of the accepted objects, a row each."""
    facts = [outcome.facts for outcome in outcomes if outcome.facts is not None]
    _write(path, table_from_records(facts, DeliveredFacts, key=["sop_uid"]), 0o644)


def _write(path: Path, table: pa.Table, mode: int) -> None:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd", store_schema=False)
    write_bytes(path, stream.getvalue(), mode=mode)
