"""Take one person's data out of the warehouse and the quarantine of a site."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import IO
from zipfile import is_zipfile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pydicom
from pydicom.errors import InvalidDicomError

from schemas.conformity import CONFORMITY_TABLE
from schemas.dicom.delivered_facts import DELIVERED_FACTS_TABLE
from schemas.held_series import INDEX_NAME, LISTING_NAME, without_files
from schemas.identifiers import BatchId, SiteCode
from schemas.lesion_masks import MASKS
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, write_bytes
from schemas.run.zones import Zones
from schemas.tables.warehouse_index import forget_index
from tasks.receive.store_ledger import note_batch
from tasks.receive.store_zip import SPOILT, opened_zip

_IMAGES = "instance.parquet"
#: Which column says whose row it is where the table has no pseudonym; of files, older batches.
_BY_UID = {
    **dict.fromkeys(("file", "instance", "hold", DELIVERED_FACTS_TABLE), "sop_uid"),
    "volume": "series_uid",
    CONFORMITY_TABLE: "series_uid",
}


@dataclass(frozen=True)
class Erased:
    """What was taken away, in numbers."""

    series: int
    rows: int
    quarantined: int


def erase_from_warehouse(
    zones: Zones, site: SiteCode, subject_id: str, patient_ids: Collection[str]
) -> Erased:
    """Remove images, volumes, rows and quarantined files of one subject; repeat at will.

    Images go before the rows that name them, and the rows of images, which tell whose all others
    are, last of all batches: so that after a kill the next call finds what is left.

    Parameters
    ----------
    zones, site, subject_id
        Whose data.
    patient_ids : collection of str
        The raw PatientIDs of the subject (restricted): quarantined files are known by them.
    """
    uids = _uids(zones, site, subject_id)
    series = uids["series_uid"]
    for uid in sorted(series):
        for kind in ("dicom", "nifti", MASKS):
            shutil.rmtree(zones.warehouse / kind / site / uid, ignore_errors=True)
    theirs = {subject_id}.union(*uids.values())
    batches = sorted((zones.warehouse / "batches" / site).glob("[!.]*"))
    rows = 0
    for of_images in (False, True):
        for folder in batches:
            paths = sorted(folder.glob("*.parquet"))
            tables = [path for path in paths if (path.name == _IMAGES) == of_images]
            rows += _erase_rows(zones, site, folder, tables, theirs)
    forget_index(zones, site)
    return Erased(len(series), rows, _erase_quarantined(zones, site, set(patient_ids)))


def series_of(zones: Zones, site: SiteCode, subject_id: str) -> list[str]:
    """Return the series of a subject that the warehouse knows, sorted."""
    return sorted(_uids(zones, site, subject_id)["series_uid"])


def count_in_inbox(zones: Zones, site: SiteCode, numbers: Collection[str]) -> int:
    """Return how many files in the site's inbox, loose or in a zip, name the person.

    An image names it by PatientID, a CSV file by a cell; a zip that cannot be read may. The
    inbox is the site's and read-only for us: the data manager removes them there. Workbooks are
    not looked into.

    Parameters
    ----------
    zones, site
        Whose inbox.
    numbers : collection of str
        PatientIDs and study number of the person (restricted).
    """
    found = 0
    for path in (p for p in (zones.inbox / site).rglob("*") if p.is_file()):
        if is_zipfile(path):
            found += _members_naming(path, set(numbers))
        else:
            found += _names(path, path.name, set(numbers))
    return found


def _members_naming(path: Path, numbers: set[str]) -> int:
    found = 0
    try:
        with opened_zip(path) as archive:
            for member in (m for m in archive.infolist() if not m.is_dir()):
                with archive.open(member) as stream:
                    found += _names(stream, member.filename, numbers)
    except SPOILT:  # damaged, or encrypted
        return max(found, 1)
    return found


def _names(source: Path | IO[bytes], name: str, numbers: set[str]) -> bool:
    if not name.lower().endswith(".csv"):
        return _patient_id(source) in numbers
    data = source.read_bytes() if isinstance(source, Path) else source.read()
    # Numbers are ASCII in whatever encoding the site writes.
    rows = csv.reader(StringIO(data.decode("ascii", "replace")))
    return any(cell.strip() in numbers for row in rows for cell in row)


def _uids(zones: Zones, site: SiteCode, subject_id: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"sop_uid": set(), "series_uid": set(), "study_uid": set()}
    for path in sorted((zones.warehouse / "batches" / site).glob(f"[!.]*/{_IMAGES}")):
        table = pq.read_table(path, columns=["subject_id", *found])
        theirs = table.filter(pc.equal(table["subject_id"], subject_id))
        for name, values in found.items():
            values |= set(theirs[name].to_pylist()) - {None}
    return found


def _erase_rows(
    zones: Zones, site: SiteCode, folder: Path, paths: Iterable[Path], theirs: set[str]
) -> int:
    """Remove rows from tables of a batch, and what its record says of files beside volumes."""
    record = json.loads((folder / "batch.json").read_text(encoding="utf-8"))
    removed, rewritten = 0, dict[Path, bytes]()
    for path in paths:
        table = pq.read_table(path)
        kept = table.filter(pc.invert(_theirs(path.stem, table, theirs)))
        if kept.num_rows == table.num_rows:
            continue
        removed += table.num_rows - kept.num_rows
        stream = BytesIO()
        pq.write_table(kept, stream, compression="zstd", store_schema=False)
        rewritten[path] = data = stream.getvalue()
        note = {"rows": kept.num_rows, "sha256": sha256_of_bytes(data)}
        record.setdefault("tables", {})[path.stem] = note
    beside = record.get("sidecars", {})
    # By `series/name`.
    others = {name: sha for name, sha in beside.items() if name.split("/")[0] not in theirs}
    if removed or len(others) < len(beside):
        stated = canonical_json({**record, "sidecars": others} if beside else record)
        # Noted before it is written: a kill in between is no batch that somebody changed.
        note_batch(zones, site, BatchId(folder.name), becomes=stated)
        # First what is said of the tables: one not yet written is found again by its rows.
        for path, data in {folder / "batch.json": stated, **rewritten}.items():
            write_bytes(path, data)
    return removed


def _theirs(name: str, table: pa.Table, named: set[str]) -> pa.Array:
    if "subject_id" in table.column_names:
        column = "subject_id"
    elif name in _BY_UID:
        column = _BY_UID[name]
    elif "object_id" in table.column_names:
        texts = table["object_id"].to_pylist()
        return pa.array([not named.isdisjoint(str(text).split("/")) for text in texts], pa.bool_())
    else:
        return pa.repeat(pa.scalar(False), table.num_rows)
    values = pa.array(sorted(named), pa.string())
    return pc.is_in(table[column], value_set=values)


def _erase_quarantined(zones: Zones, site: SiteCode, patient_ids: set[str]) -> int:
    removed = 0
    for listing in sorted((zones.restricted / "quarantine" / site).glob("*/reasons.csv")):
        text = listing.read_bytes().decode("utf-8", "surrogateescape")
        rows = list(csv.DictReader(StringIO(text)))
        gone = {
            row["sha256"]
            for row in rows
            if _patient_id(listing.parent / row["sha256"]) in patient_ids
        }
        if not gone:
            continue
        out = StringIO()
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if row["sha256"] not in gone)
        write_bytes(listing, out.getvalue().encode("utf-8", "surrogateescape"), mode=0o600)
        (listing.parent / INDEX_NAME).unlink(missing_ok=True)
        held = listing.parent / LISTING_NAME
        if held.is_file():
            write_bytes(held, without_files(held.read_bytes(), gone), mode=0o600)
        for name in gone:
            (listing.parent / name).unlink(missing_ok=True)
        removed += len(gone)
    return removed


def _patient_id(source: Path | IO[bytes]) -> str | None:
    try:
        header = pydicom.dcmread(source, stop_before_pixels=True, specific_tags=["PatientID"])
    except (OSError, InvalidDicomError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return str(header.get("PatientID", "")) or None
