"""What all committed batches hold together: merged instances, volumes, outcomes, forms. Pure."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from schemas.dicom.features import InstanceFeatures
from schemas.errors import LivercohortError
from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.inspection import LIFTED
from schemas.records import VolumeRecord
from schemas.states import ReasonCode

#: Table of a batch that names instances of earlier batches to hold.
HOLD = "hold"


@dataclass(frozen=True, kw_only=True)
class CommittedBatch:
    """What `batch.json` says of one committed batch.

    `digest` is over the whole record, which states the SHA-256 of every table; None where it
    does not, as in homes of before that.
    """

    batch_id: BatchId
    site_code: SiteCode
    n_files: int
    n_bytes: int
    counts: Mapping[str, int]
    manifest_sha256: Sha256
    edc_export_as_of: dt.date | None = None
    encoding: str | None = None
    digest: Sha256 | None = None


@dataclass(frozen=True, kw_only=True)
class BatchTables:
    """The tables of one batch, as they stand in its folder."""

    batch: CommittedBatch
    instances: tuple[InstanceFeatures, ...] = ()
    volumes: tuple[VolumeRecord, ...] = ()
    others: Mapping[str, pa.Table] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CommittedCohort:
    """Everything committed, merged, but what has a row for each image.

    Parameters
    ----------
    batches : tuple of CommittedBatch
        In the order of batches: by export date of the forms (a batch without one comes
        last), then by batch id. "Earliest" and "newest" mean this order everywhere.
    taken : frozenset of (str, str)
        SeriesInstanceUID and batch id of what images in force were taken from.
    tables : mapping of str to pyarrow.Table
        Other tables of the batches (`inspection`, `measurement`), joined; with the columns
        `batch_id` and `site_code` in front.
    input_ledger_sha256 : Sha256
        Hash over batch ids and manifests: which inputs a release is made of.
    """

    batches: tuple[CommittedBatch, ...]
    taken: frozenset[tuple[str, str]]
    tables: Mapping[str, pa.Table]
    input_ledger_sha256: Sha256

    @property
    def batch_order(self) -> tuple[BatchId, ...]:
        """Batch ids, earliest first."""
        return tuple(batch.batch_id for batch in self.batches)

    @property
    def year(self) -> int | None:
        """The year of the latest export among the batches."""
        days = [b.edc_export_as_of for b in self.batches if b.edc_export_as_of]
        return max(days).year if days else None


@dataclass(frozen=True, kw_only=True)
class CommittedBatches(CommittedCohort):
    """The same with images, one record each: never of a whole cohort, but of a part of it.

    Parameters
    ----------
    instances : tuple of InstanceFeatures
        One per SOPInstanceUID, sorted by it; of duplicates the earliest batch's.
    batch_of_instance : mapping of str to BatchId
        SOPInstanceUID to the batch the instance is taken from.
    volumes : tuple of VolumeRecord
        One per sub-stack, sorted; of duplicates the earliest batch's.
    site_of_series : mapping of str to SiteCode
        SeriesInstanceUID to the site whose warehouse folder holds it.
    """

    instances: tuple[InstanceFeatures, ...]
    batch_of_instance: Mapping[str, BatchId]
    volumes: tuple[VolumeRecord, ...]
    site_of_series: Mapping[str, SiteCode]


def merge_batches(batches: Sequence[BatchTables]) -> CommittedBatches:
    """Merge the batches; in which order they are given changes nothing."""
    ordered = in_order(batches)
    held = held_instances(item.others[HOLD] for item in ordered if HOLD in item.others)
    instances: dict[str, InstanceFeatures] = {}
    batch_of: dict[str, BatchId] = {}
    site_of: dict[str, SiteCode] = {}
    volumes: dict[tuple[str, str], VolumeRecord] = {}
    for item in ordered:
        for instance in item.instances:
            if instance.sop_uid is None or instance.sop_uid in held:
                continue
            if instance.sop_uid in instances:
                continue
            instances[instance.sop_uid] = instance
            batch_of[instance.sop_uid] = item.batch.batch_id
            if instance.series_uid:
                site_of.setdefault(instance.series_uid, item.batch.site_code)
        for volume in item.volumes:
            volumes.setdefault((volume.series_uid, volume.sub_stack_digest), volume)
    found = tuple(instances[uid] for uid in sorted(instances))
    return CommittedBatches(
        batches=tuple(item.batch for item in ordered),
        instances=found,
        taken=frozenset((str(one.series_uid), batch_of[str(one.sop_uid)]) for one in found),
        batch_of_instance=batch_of,
        volumes=tuple(volumes[key] for key in sorted(volumes)),
        site_of_series=site_of,
        tables=joined(ordered),
        input_ledger_sha256=ledger_hash(item.batch for item in ordered),
    )


def in_order(batches: Iterable[BatchTables]) -> list[BatchTables]:
    """Return batches earliest first."""
    return sorted(batches, key=lambda item: _rank(item.batch))


def held_instances(tables: Iterable[pa.Table]) -> set[str]:
    """Return instances that a later batch contradicted: nobody can tell which is right."""
    rows = [row for table in tables for row in table.to_pylist()]
    lifted = {row["sop_uid"] for row in rows if row["reason"] == LIFTED}
    beside_others = (LIFTED, ReasonCode.SAME_PIXELS_AS_OTHER_SUBJECT)
    return {
        row["sop_uid"]
        for row in rows
        if row["reason"] not in beside_others or row["sop_uid"] not in lifted
    }


def unreadable(site: str, batch: str, name: str) -> LivercohortError:
    """Return the error about a file of a batch that cannot be read."""
    return LivercohortError(
        f"{name} of a committed batch cannot be read",
        where=f"batch {batch} of site {site}",
        expected="the files as they were committed",
        hint="Restore the batch folder from backup; nothing was released.",
    )


def _rank(batch: CommittedBatch) -> tuple[dt.date, str]:
    return (batch.edc_export_as_of or dt.date.max, batch.batch_id)


def joined(ordered: Sequence[BatchTables]) -> dict[str, pa.Table]:
    """Return the other tables of all batches, each as one."""
    parts: dict[str, list[pa.Table]] = {}
    for item in ordered:
        for name, table in item.others.items():
            parts.setdefault(name, []).append(_marked(table, item.batch))
    return {
        name: pa.concat_tables(parts[name], promote_options="permissive") for name in sorted(parts)
    }


def _marked(table: pa.Table, batch: CommittedBatch) -> pa.Table:
    """Put the batch and its site in front, where the table does not name them itself."""
    for name, value in (("site_code", batch.site_code), ("batch_id", batch.batch_id)):
        if name not in table.column_names:
            column = pa.array([str(value)] * table.num_rows, type=pa.string())
            table = table.add_column(0, name, column)
    return table


def ledger_hash(batches: Iterable[CommittedBatch]) -> Sha256:
    """Return the hash over batch ids and manifests."""
    lines = sorted(f"{b.site_code} {b.batch_id} {b.manifest_sha256}\n" for b in batches)
    return Sha256(hashlib.sha256("".join(lines).encode()).hexdigest())
