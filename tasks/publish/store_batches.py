"""Read the committed batches of the warehouse; a batch counts when its batch.json says so."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.dicom.features import InstanceFeatures
from schemas.errors import LivercohortError
from schemas.identifiers import BatchId, SeriesUid, Sha256, SiteCode
from schemas.inspection import PIXELS_TABLE
from schemas.records import VolumeRecord
from schemas.run.zones import Zones
from schemas.tables.record_tables import records_from_table
from schemas.vault.inspections import LaterInspection
from tasks.publish.batches import BatchTables, CommittedBatch, CommittedBatches, merge_batches
from tasks.publish.inspected import with_later
from tasks.publish.naming import NIFTI_SUFFIX
from tasks.publish.rows import is_published

COMMITTED = "committed"
#: Gives the later inspections of a site.
Later = Callable[[SiteCode], Iterable[LaterInspection]]
Record = TypeVar("Record")
_RECORDS = {"instance", "volume"}


def list_committed(zones: Zones) -> list[CommittedBatch]:
    """Return every committed batch by its record alone; no table is read."""
    return [batch for _, batch in _committed(zones)]


def read_committed(zones: Zones, later: Later = lambda _: ()) -> CommittedBatches:
    """Read every committed batch and merge them; a held or unfinished batch is left aside.

    Parameters
    ----------
    zones : Zones
        Whose warehouse.
    later : callable
        Gives the later inspections of a site: what they held is left out, and the newest rules
        count.

    Raises
    ------
    LivercohortError
        If a committed batch lacks its `batch.json` facts or a table cannot be read; names
        site and batch.
    """
    found = [_read_tables(folder, batch) for folder, batch in _committed(zones)]
    of_site = {site: tuple(later(site)) for site in {item.batch.site_code for item in found}}
    return merge_batches([with_later(item, of_site[item.batch.site_code]) for item in found])


def _committed(zones: Zones) -> Iterator[tuple[Path, CommittedBatch]]:
    for path in sorted((zones.warehouse / "batches").glob("[SX]*/*/batch.json")):
        if path.parent.name.startswith("."):
            continue
        batch = _read_batch(path)
        if batch is not None:
            yield path.parent, batch


def nifti_sources(zones: Zones, committed: CommittedBatches, released: pa.Table) -> dict[str, Path]:
    """Return volume_id → file in the warehouse for the rows of the `nifti_volume` table."""
    wanted = set(released.column("volume_id").to_pylist())
    sources: dict[str, Path] = {}
    for volume in committed.volumes:
        if volume.sub_stack_digest in wanted and is_published(volume):
            site = committed.site_of_series[volume.series_uid]
            folder = zones.nifti_series(site, SeriesUid(volume.series_uid))
            name = volume.file_name or f"{volume.sub_stack_digest}{NIFTI_SUFFIX}"
            sources[volume.sub_stack_digest] = folder / name
    return sources


def _read_batch(path: Path) -> CommittedBatch | None:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
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
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unreadable(path.parent, "batch.json") from None


def _read_tables(folder: Path, batch: CommittedBatch) -> BatchTables:
    paths = [path for path in sorted(folder.glob("*.parquet")) if path.stem != PIXELS_TABLE]
    tables = {path.stem: _read_table(path) for path in paths}
    return BatchTables(
        batch=batch,
        instances=tuple(_records(tables, "instance", InstanceFeatures)),
        volumes=tuple(_records(tables, "volume", VolumeRecord)),
        others={name: table for name, table in tables.items() if name not in _RECORDS},
    )


def _records(tables: Mapping[str, pa.Table], name: str, kind: type[Record]) -> Iterable[Record]:
    return records_from_table(tables[name], kind) if name in tables else ()


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException):
        raise _unreadable(path.parent, path.name) from None


def _unreadable(folder: Path, name: str) -> LivercohortError:
    return LivercohortError(
        f"{name} of a committed batch cannot be read",
        where=f"batch {folder.name} of site {folder.parent.name}",
        expected="the files as they were committed",
        hint="Restore the batch folder from backup; nothing was released.",
    )
