"""Which batches were ever committed, kept apart from the warehouse: what is gone is missed.

`operations/ledger/<SITE>/<batch>.json` holds the hash of the batch's record, and that record
holds the hash of each of its tables.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from schemas.identifiers import BatchId, SiteCode
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file, write_bytes
from schemas.run.zones import Zones

MISSING, CHANGED = "missing", "changed"


@dataclass(frozen=True)
class BatchFault:
    """A batch that the ledger knows and the warehouse does not show as it was committed."""

    site_code: str
    batch_id: str
    fault: str
    n_files: int


def note_batch(
    zones: Zones, site: SiteCode, batch: BatchId, *, becomes: bytes | None = None
) -> None:
    """Note a batch as it stands in the warehouse now, and what an erasure makes of its record."""
    path = _note(zones, site, batch)
    record = becomes or (zones.batch(site, batch) / "batch.json").read_bytes()
    known = json.loads(path.read_bytes())["record_sha256"] if path.is_file() else []
    digests = [*known, sha256_of_bytes(record)] if becomes else [sha256_of_bytes(record)]
    note = {
        "batch_id": batch,
        "n_files": json.loads(record).get("n_files", 0),
        "record_sha256": digests,
    }
    write_bytes(path, canonical_json(note))


def note_unlisted(zones: Zones, site: SiteCode) -> None:
    """Note the batches in place that have no note: of a killed commit, or of an older version."""
    for record in sorted((zones.warehouse / "batches" / site).glob("[!.]*/batch.json")):
        batch = BatchId(record.parent.name)
        if not _note(zones, site, batch).is_file():
            note_batch(zones, site, batch)


def check_batches(zones: Zones, site: SiteCode | None = None) -> list[BatchFault]:
    """Return every batch of the ledger that is missing or differs, by site and batch id.

    Reads and hashes the tables of all batches; images are what `verify` looks at.
    """
    faults: list[BatchFault] = []
    for path in sorted((zones.operations / "ledger").glob(f"{site or '*'}/*.json")):
        code, batch = SiteCode(path.parent.name), BatchId(path.stem)
        note = json.loads(path.read_bytes())
        fault = _fault_of(zones.batch(code, batch), note["record_sha256"])
        if fault is not None:
            faults.append(BatchFault(code, batch, fault, int(note["n_files"])))
    return faults


def _fault_of(folder: Path, digests: list[str]) -> str | None:
    try:
        record = (folder / "batch.json").read_bytes()
    except OSError:
        return MISSING
    if sha256_of_bytes(record) not in digests:
        return CHANGED
    for name, noted in json.loads(record).get("tables", {}).items():
        try:
            same = sha256_of_file(folder / f"{name}.parquet") == noted["sha256"]
        except OSError:
            same = False
        if not same:
            return CHANGED
    return None


def _note(zones: Zones, site: SiteCode, batch: BatchId) -> Path:
    return zones.operations / "ledger" / site / f"{batch}.json"
