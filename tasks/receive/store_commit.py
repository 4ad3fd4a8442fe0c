"""Commit a batch: everything beside its place first, then one rename that makes it count."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.conformity import CONFORMITY_TABLE, ConformityRow
from schemas.dicom.delivered_facts import DELIVERED_FACTS_TABLE, DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.handover.records import (
    CheckedBatch,
    CheckedConformity,
    ControlFiles,
    ConvertedVolumes,
    FormsTakenIn,
    MeasuredExams,
    ReceivedExport,
    SettledImages,
)
from schemas.handover.workbench import Workbench
from schemas.held_series import LISTING_NAME, HeldSeries, listing_bytes
from schemas.identifiers import Sha256, SiteCode
from schemas.inspection import (
    INSPECTION_TABLE,
    LIFTED,
    PIXELS_TABLE,
    InspectedPixels,
    InspectionRow,
    PixelRow,
)
from schemas.measurements import (
    ACQUISITION_TABLE,
    MEASUREMENT_TABLE,
    Acquisition,
    Measurement,
)
from schemas.records import (
    ABOUT_INSTANCE,
    DeliveredFile,
    Delivery,
    FileOutcome,
    Finding,
    VolumeRecord,
)
from schemas.run.atomic_files import (
    canonical_json,
    directory_published_as,
    make_folder,
    move_into_place,
    sha256_of_file,
    write_bytes,
)
from schemas.run.zones import Zones
from schemas.states import REASONS, FileState, ReasonCode
from schemas.tables.record_tables import table_from_records
from schemas.tables.spreadsheet_cells import plain_row
from schemas.tables.warehouse import rows_with
from schemas.tables.warehouse_index import batches_with
from tasks.receive.accounting import KnownInstance, require_all_accounted
from tasks.receive.ledger import COMMITTED, TableNote, batch_record
from tasks.receive.store import forget_received, note_export
from tasks.receive.store_ledger import note_batch

#: The table of volumes states their hashes.
_VOLUME_SUFFIX = ".nii.gz"
_HOLD_SCHEMA = pa.schema(
    [
        pa.field("sop_uid", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)


def read_batches(zones: Zones, site: SiteCode | None = None) -> list[dict[str, Any]]:
    """Return the `batch.json` of every batch in place, by site and batch id."""
    pattern = f"batches/{site or '*'}/*/batch.json"
    return [
        _read_batch(path.parent)
        for path in sorted(zones.warehouse.glob(pattern))
        if not path.parent.name.startswith(".")
    ]


def _is_in_force(folder: Path) -> bool:
    return (folder / "batch.json").is_file() and _read_batch(folder)["state"] == COMMITTED


def _read_batch(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "batch.json").read_text(encoding="utf-8"))
    return record


def read_known_pixels(zones: Zones, site: SiteCode, sop_uids: Collection[str]) -> dict[str, str]:
    """Return SOPInstanceUID → pixel SHA-256 of those instances that the site has accepted.

    A held batch does not count: what it brought is in no release, so it must be able to come
    again.
    """
    known: dict[str, str] = {}
    for folder in batches_with(zones, site, sop_uids):
        if not _is_in_force(folder):
            continue
        path = folder / "file.parquet"
        columns = ["state", "sop_uid", "pixel_sha256"]
        for row in rows_with(path, "sop_uid", sop_uids, columns=columns).to_pylist():
            if row["state"] == FileState.ACCEPTED:
                known[row["sop_uid"]] = row["pixel_sha256"]
    return known


def read_known_instances(
    zones: Zones, site: SiteCode, *, studies: Collection[str], series: Collection[str]
) -> list[KnownInstance]:
    """Return the accepted instances of these studies and series; a held batch does not count."""
    found: list[KnownInstance] = []
    columns = ["sop_uid", "study_uid", "series_uid", "subject_id"]
    for folder in batches_with(zones, site, {*studies, *series}) if studies else []:
        if _is_in_force(folder):
            path = folder / "instance.parquet"
            # Four columns are cheaper read whole than in two turns.
            table = pq.read_table(path, columns=columns, use_threads=False)
            fits = pc.or_kleene(
                pc.is_in(table["study_uid"], value_set=pa.array(sorted(studies), pa.string())),
                pc.is_in(table["series_uid"], value_set=pa.array(sorted(series), pa.string())),
            )
            found += [KnownInstance(**row) for row in table.filter(fits).to_pylist()]
    return found


def write_quarantine(
    zones: Zones,
    delivery: Delivery,
    outcomes: Sequence[FileOutcome],
    held_series: Sequence[HeldSeries] = (),
) -> None:
    """Set the bytes of every quarantined file aside, with its reason and its delivered name.

    Beside them the listing of the series that the inspection held.
    """
    aside = {o.file_no: o for o in outcomes if o.state is FileState.QUARANTINED}
    files = [file for file in delivery.files if file.file_no in aside]
    if not files:
        return
    folder = zones.quarantine(delivery.site, delivery.batch_id)
    make_folder(folder)
    for file in files:
        _copy_once(file, folder / file.sha256)
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file_no", "relative_path", "sha256", "reason", "meaning", "detail"])
    for file in files:
        outcome = aside[file.file_no]
        meaning = REASONS[outcome.reason] if outcome.reason else ""
        what = (outcome.reason, meaning, outcome.detail)
        rows.writerow(plain_row([file.file_no, file.relative_path, file.sha256, *what]))
    data = text.getvalue().encode("utf-8", "surrogateescape")
    write_bytes(folder / "reasons.csv", data, mode=0o600)
    if held_series:
        write_bytes(folder / LISTING_NAME, listing_bytes(held_series), mode=0o600)


def all_outcomes(bench: Workbench) -> tuple[FileOutcome, ...]:
    """Return the outcome of every delivered file, after checking that none is missing.

    Raises
    ------
    AccountingError
        If files and outcomes do not match one to one.
    """
    outcomes = [
        *bench.take(ControlFiles).outcomes,
        *bench.take(SettledImages).outcomes,
        *bench.take(FormsTakenIn).outcomes,
    ]
    return require_all_accounted(bench.take(ReceivedExport).delivery.files, outcomes)


def write_batch_tables(bench: Workbench, keyed: Callable[[str], Sha256]) -> dict[str, int]:
    """Write file, instance, facts, volume, finding and hold tables; return rows per table.

    `keyed` makes the digest of a delivered file one that nobody can try values against
    (`KeyRing.keyed_digest`): a form of one row is guessed from its plain SHA-256 in seconds.
    """
    plain = all_outcomes(bench)
    outcomes = (
        replace(o, source_sha256=keyed(o.source_sha256), features=None, facts=None) for o in plain
    )
    features = [outcome.features for outcome in plain if outcome.features is not None]
    facts = [outcome.facts for outcome in plain if outcome.facts is not None]
    held = [
        {"sop_uid": uid, "reason": str(reason)}
        for uid, reason in bench.take(SettledImages).held.items()
    ]
    kept_uids = {str(one.sop_uid) for one in features}
    conformity = [r for r in bench.take(CheckedConformity).rows if r.sop_uid in kept_uids]
    seen = bench.take(InspectedPixels)
    # Later batches are compared with these: with nothing that is not there.
    pixels = [row for row in seen.pixels if row.sop_uid in kept_uids]
    held += [{"sop_uid": uid, "reason": LIFTED} for uid in seen.lifted]
    volumes, findings = bench.take(ConvertedVolumes).volumes, bench.take(CheckedBatch).findings
    stack = ("series_uid", "sub_stack_digest")
    # The search may have withheld a person since: then nothing measured of them stays either.
    people = {one.subject_id for one in features}
    measured = bench.take(MeasuredExams)
    rows = [row for row in measured.measurements if row.subject_id in people]
    acquired = [row for row in measured.acquisitions if row.subject_id in people]

    def write(name: str, records: Iterable[Any], kind: type, *key: str) -> int:
        left_out = ABOUT_INSTANCE if kind is FileOutcome else ()
        table = table_from_records(records, kind, key=key, without=left_out)
        return _write_table(bench, name, table)

    # One after the other: no table of all images beside another.
    return {
        "file": write("file", outcomes, FileOutcome, "file_no"),
        "instance": write("instance", features, InstanceFeatures, "sop_uid"),
        DELIVERED_FACTS_TABLE: write(DELIVERED_FACTS_TABLE, facts, DeliveredFacts, "sop_uid"),
        CONFORMITY_TABLE: write(CONFORMITY_TABLE, conformity, ConformityRow, "series_uid"),
        "volume": write("volume", volumes, VolumeRecord, *stack),
        MEASUREMENT_TABLE: write(MEASUREMENT_TABLE, rows, Measurement, *stack, "metric"),
        ACQUISITION_TABLE: write(ACQUISITION_TABLE, acquired, Acquisition, *stack),
        "finding": write("finding", findings, Finding, "finding_id"),
        "hold": _write_table(bench, "hold", pa.Table.from_pylist(held, schema=_HOLD_SCHEMA)),
        INSPECTION_TABLE: write(INSPECTION_TABLE, seen.rows, InspectionRow, "series_uid"),
        PIXELS_TABLE: write(PIXELS_TABLE, pixels, PixelRow, "sop_uid"),
    }


def _write_table(bench: Workbench, name: str, table: pa.Table) -> int:
    """Write a table of the batch; return how many rows it has."""
    bench.tables.mkdir(parents=True, exist_ok=True)
    path = bench.tables / f"{name}.parquet"
    pq.write_table(table, path, compression="zstd", store_schema=False)
    return int(table.num_rows)


def commit(
    bench: Workbench,
    delivery: Delivery,
    outcomes: Sequence[FileOutcome],
    *,
    held: bool,
    validation: Mapping[str, object],
    edc_export_as_of: str | None,
    key_id: str,
    software_version: str,
    audit_head: str,
    anchor: Callable[[bytes], None],
) -> dict[str, Any]:
    """Move images into the warehouse, then publish the batch's tables with one rename.

    A kill before the rename leaves files without a batch, which nothing reads and the next
    run writes again, the same bytes under the same names.
    """
    zones = bench.zones
    write_quarantine(zones, delivery, outcomes, bench.take(InspectedPixels).held)
    sidecars = _sidecars(bench.nifti)
    # One flush of the file system instead of an fsync per file; the rename below comes after.
    os.sync()
    _move_tree(bench.dicom, zones.warehouse / "dicom" / bench.site, _accepted_names(outcomes))
    _move_tree(bench.nifti, zones.warehouse / "nifti" / bench.site, None)
    with directory_published_as(zones.batch(bench.site, bench.batch)) as staging:
        notes = {path.stem: _copy_table(path, staging) for path in bench.tables.glob("*.parquet")}
        record = batch_record(
            delivery,
            outcomes,
            notes,
            held=held,
            edc_export_as_of=edc_export_as_of,
            key_id=key_id,
            software_version=software_version,
            audit_head=audit_head,
            sidecars=sidecars,
        )
        write_bytes(staging / "validation.json", canonical_json(validation))
        data = canonical_json(record)
        write_bytes(staging / "batch.json", data)
        # Before the rename: a batch that counts is one that the home remembers.
        anchor(data)
    note_batch(zones, bench.site, bench.batch)
    note_export(zones, delivery)
    forget_received(zones, delivery)
    bench.close()
    return record


def _accepted_names(outcomes: Sequence[FileOutcome]) -> set[str]:
    return {f"{o.sop_uid}.dcm" for o in outcomes if o.state is FileState.ACCEPTED}


def _sidecars(folder: Path) -> dict[str, str]:
    """Return the hashes of what lies beside volumes; those of volumes stand in their table."""
    return {
        path.relative_to(folder).as_posix(): sha256_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(_VOLUME_SUFFIX)
    }


def _move_tree(staged: Path, place: Path, only: set[str] | None) -> None:
    for path in sorted(staged.rglob("*")):
        if path.is_file() and (only is None or path.name in only):
            move_into_place(path, place / path.relative_to(staged))


def _copy_table(path: Path, folder: Path) -> TableNote:
    shutil.copyfile(path, folder / path.name)
    return TableNote(rows=pq.read_metadata(path).num_rows, sha256=sha256_of_file(path))


def _copy_once(file: DeliveredFile, target: Path) -> None:
    unreadable = file.reason is ReasonCode.UNREADABLE or file.path.is_symlink()
    if unreadable or target.exists() or not file.path.is_file():
        return
    beside = target.with_name(f".{target.name}.part")
    shutil.copyfile(file.path, beside)
    beside.chmod(0o600)
    beside.replace(target)
