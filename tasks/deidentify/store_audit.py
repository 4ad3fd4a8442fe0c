"""Write the audit of a batch or of a folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from pydicom import __version__ as pydicom_version

from schemas.records import FileOutcome
from schemas.run.atomic_files import write_bytes
from schemas.run.software import software_version
from tasks.deidentify.audit import AuditVersions, audit_table
from tasks.deidentify.rules.profile import TABLE_EDITION, profile_sha256
from tasks.deidentify.store import DeidentifiedBatch

AUDIT_FILE = "audit.parquet"


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
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd", store_schema=False)
    write_bytes(path, stream.getvalue(), mode=mode)
