"""Read the committed batches of the warehouse; a batch counts when its batch.json says so."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.dicom.delivered_facts import DELIVERED_FACTS_TABLE
from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.inspection import PIXELS_TABLE
from schemas.run.atomic_files import sha256_of_bytes
from schemas.run.zones import Zones
from schemas.vault.inspections import LaterInspection
from schemas.vault.keys import KeyRing
from tasks.publish.batches import (
    HOLD,
    BatchTables,
    CommittedBatch,
    CommittedCohort,
    held_instances,
    in_order,
    joined,
    ledger_hash,
    unreadable,
)
from tasks.publish.inspected import with_later
from tasks.publish.store_images import StoredImages, read_images
from tasks.publish.store_kept_images import KeptImages

COMMITTED = "committed"
#: Gives the later inspections of a site.
Later = Callable[[SiteCode], Iterable[LaterInspection]]
#: With a row for each image or file, or for nobody here: read by whoever needs them, in parts.
_LONG = frozenset({"instance", "volume", "file", "finding", DELIVERED_FACTS_TABLE, PIXELS_TABLE})


def list_committed(zones: Zones) -> list[CommittedBatch]:
    """Return every committed batch by its record alone; no table is read."""
    return [batch for _, batch in _committed(zones)]


def read_committed(
    zones: Zones, later: Later = lambda _: (), ring: KeyRing | None = None
) -> tuple[CommittedCohort, StoredImages]:
    """Read every committed batch and merge them; a held or unfinished batch is left aside.

    Parameters
    ----------
    zones : Zones
        Whose warehouse.
    later : callable
        Gives the later inspections of a site: what they held is left out, and the newest rules
        count.
    ring : KeyRing, optional
        Opens what the release before kept of the images; without one they are all looked at.

    Returns
    -------
    CommittedCohort, StoredImages
        What has no row for each image, and the images, which are read as they are asked for.

    Raises
    ------
    LivercohortError
        If a committed batch lacks its `batch.json` facts or a table cannot be read; names
        site and batch.
    """
    found = [_read_tables(folder, batch) for folder, batch in _committed(zones)]
    of_site = {site: tuple(later(site)) for site in {item.batch.site_code for item in found}}
    ordered = in_order([with_later(item, of_site[item.batch.site_code]) for item in found])
    batches = tuple(item.batch for item in ordered)
    held = held_instances(item.others[HOLD] for item in ordered if HOLD in item.others)
    images = read_images(zones, batches, frozenset(held), of_site, KeptImages(zones, ring))
    cohort = CommittedCohort(
        batches=batches,
        taken=images.taken,
        tables=joined(ordered),
        input_ledger_sha256=ledger_hash(batches),
    )
    return cohort, images


def _committed(zones: Zones) -> Iterator[tuple[Path, CommittedBatch]]:
    for path in sorted((zones.warehouse / "batches").glob("[SX]*/*/batch.json")):
        if path.parent.name.startswith("."):
            continue
        batch = _read_batch(path)
        if batch is not None:
            yield path.parent, batch


def _read_batch(path: Path) -> CommittedBatch | None:
    try:
        data = path.read_bytes()
        facts = json.loads(data)
        if facts["state"] != COMMITTED:
            return None
        as_of = facts.get("edc_export_as_of")
        return CommittedBatch(
            batch_id=BatchId(facts["batch_id"]),
            site_code=SiteCode(facts["site_code"]),
            n_files=int(facts["n_files"]),
            n_bytes=int(facts["n_bytes"]),
            counts={str(state): int(number) for state, number in facts["counts"].items()},
            manifest_sha256=Sha256(facts["manifest_sha256"]),
            edc_export_as_of=dt.date.fromisoformat(as_of) if as_of else None,
            encoding=facts.get("encoding"),
            digest=sha256_of_bytes(data) if facts.get("tables") else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise unreadable(path.parent.parent.name, path.parent.name, "batch.json") from None


def _read_tables(folder: Path, batch: CommittedBatch) -> BatchTables:
    paths = [path for path in sorted(folder.glob("*.parquet")) if path.stem not in _LONG]
    return BatchTables(batch=batch, others={path.stem: _read_table(path) for path in paths})


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException):
        raise unreadable(path.parent.parent.name, path.parent.name, path.name) from None


def read_file_tables(zones: Zones, batches: Sequence[CommittedBatch]) -> Iterator[pa.Table]:
    """Yield by site what became of each file, of the sites where not all were taken in whole."""
    for site in sorted({batch.site_code for batch in batches}):
        own = [batch for batch in batches if batch.site_code == site]
        folder = zones.warehouse / "batches" / site
        there = [(batch, folder / batch.batch_id / "file.parquet") for batch in own]
        there = [(batch, path) for batch, path in there if path.is_file()]
        if any(_tells_something(path) for _, path in there):
            told = [BatchTables(batch=b, others={"file": _fates(path)}) for b, path in there]
            yield joined(told)["file"]


#: What is asked of a file that was delivered; a batch of before has no `detail`.
_FATE = ("reason", "detail", "sop_uid", "study_uid", "subject_id")


def _tells_something(path: Path) -> bool:
    table = _fates(path, ("reason", "detail"))
    return any(table[name].null_count < table.num_rows for name in table.column_names)


def _fates(path: Path, names: Sequence[str] = _FATE) -> pa.Table:
    try:
        there = [name for name in names if name in pq.read_schema(path).names]
        return pq.read_table(path, columns=there)
    except (OSError, pa.ArrowException):
        raise unreadable(path.parent.parent.name, path.parent.name, path.name) from None
