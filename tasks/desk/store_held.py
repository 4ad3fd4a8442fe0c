"""Read what is quarantined: `reasons.csv` of every committed batch, and the headers once.

What the headers and pixels say is kept beside them in `index.json`, keyed, so that a night need
not read ten thousand files again. Everything here is restricted.
"""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from schemas.dicom.charsets import decode_text
from schemas.dicom.pixel_digests import pixel_content
from schemas.dicom.pixel_values import decoded_values
from schemas.held_series import INDEX_NAME, LISTING_NAME, HeldSeries, read_listing
from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.pixel_decisions import Question, question_of
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, write_bytes
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing, Purpose
from schemas.vault.pixel_digests import hold_id, keyed_pixel_digest
from tasks.desk.held import HeldFile, Hold, group_holds

_REASONS_NAME = "reasons.csv"
_GZIP = b"\x1f\x8b"
_MOST_INFLATED = 2 << 30
_TOKEN_DIGITS = 32
_HEADER = [
    *("SpecificCharacterSet", "SOPClassUID", "PatientID", "StudyInstanceUID"),
    *("SeriesInstanceUID", "InstanceNumber", "Manufacturer", "ManufacturerModelName"),
    *("DeviceSerialNumber", "StationName", "Rows", "Columns", "NumberOfFrames"),
]


def sites_with_holds(zones: Zones) -> list[SiteCode]:
    """Return the sites of which anything was ever set aside, at once or by later rules."""
    folders = zones.restricted.glob("quarantine/[SX]*")
    found = {path.name for path in folders if path.is_dir()}
    found |= {path.stem for path in zones.restricted.glob("inspections/[SX]*.sealed")}
    return [SiteCode(name) for name in sorted(found)]


def read_holds(zones: Zones, ring: KeyRing, site: SiteCode) -> list[Hold]:
    """Return everything that was set aside of a site, put together for decisions."""
    files: list[HeldFile] = []
    listed: list[tuple[str, HeldSeries]] = []
    for folder in sorted((zones.restricted / "quarantine" / site).glob("[!.]*")):
        batch = BatchId(folder.name)
        if (zones.batch(site, batch) / "batch.json").is_file():
            files += _held_files(zones, ring, site, batch)
            listed += [(batch, series) for series in _listed(folder)]
    return group_holds(files, listed, lambda digests: hold_id(ring, digests))


def quarantined_bytes(zones: Zones, file: HeldFile) -> Path:
    """Return where the bytes of a held file lie: in the warehouse, if later rules hold it."""
    if file.stored:
        return zones.warehouse / "dicom" / file.site / file.stored
    return zones.quarantine(SiteCode(file.site), BatchId(file.batch)) / file.sha256


def plain_bytes(path: Path) -> bytes:
    """Return a quarantined file, unpacked where it came packed by gzip."""
    data = path.read_bytes()
    if not data.startswith(_GZIP):
        return data
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, _MOST_INFLATED)


def _held_files(zones: Zones, ring: KeyRing, site: SiteCode, batch: BatchId) -> list[HeldFile]:
    folder = zones.quarantine(site, batch)
    try:
        reasons = (folder / _REASONS_NAME).read_bytes()
    except FileNotFoundError:
        return []
    state = sha256_of_bytes(reasons)
    known = _indexed(folder / INDEX_NAME, state)
    if known is not None:
        return known
    subjects = _subjects(zones.batch(site, batch) / "file.parquet")
    rows = csv.DictReader(StringIO(reasons.decode("utf-8", "surrogateescape")))
    files = [
        _held_file(folder, ring, site, batch, row, subjects.get(int(row["file_no"]), ""))
        for row in rows
    ]
    kept = {"reasons_sha256": state, "files": [asdict(file) for file in files]}
    write_bytes(folder / INDEX_NAME, canonical_json(kept), mode=0o600)
    return files


def _indexed(path: Path, state: str) -> list[HeldFile] | None:
    """Return the files of an index that is of these reasons; None where there is none."""
    try:
        kept = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if kept.get("reasons_sha256") != state:
        return None
    return [HeldFile(**{**row, "reason": ReasonCode(row["reason"])}) for row in kept["files"]]


def _subjects(path: Path) -> dict[int, str]:
    rows = pq.read_table(path, columns=["file_no", "subject_id"]).to_pylist()
    return {int(row["file_no"]): row["subject_id"] or "" for row in rows}


def _held_file(
    folder: Path,
    ring: KeyRing,
    site: SiteCode,
    batch: BatchId,
    row: Mapping[str, str],
    subject_id: str,
) -> HeldFile:
    reason = ReasonCode(row["reason"])
    try:
        data = plain_bytes(folder / row["sha256"])
        facts = _facts_of(data, ring, site)
    except Exception:  # what was set aside may be anything; then nothing is known of it
        data, facts = b"", {}
    digest = ring.keyed_digest(row["sha256"])
    if facts and question_of(reason) is not Question.FILE:
        digest = _pixel_digest(data, ring) or digest
    return HeldFile(
        site=site,
        batch=batch,
        file_no=int(row["file_no"]),
        sha256=row["sha256"],
        reason=reason,
        detail=row.get("detail") or "",  # batches taken in before the column was have none
        digest=digest,
        subject_id=subject_id,
        **facts,
    )


def _pixel_digest(data: bytes, ring: KeyRing) -> Sha256 | None:
    try:
        return keyed_pixel_digest(ring, pixel_content(decoded_values(data)))
    except Exception:  # pixels that cannot be decoded are known by the bytes of the file
        return None


def _facts_of(data: bytes, ring: KeyRing, site: SiteCode) -> dict[str, Any]:
    header = dcmread(BytesIO(data), stop_before_pixels=True, specific_tags=list(_HEADER))
    charset = _text(header, "SpecificCharacterSet")

    def token(kind: str, *keywords: str) -> str:
        values = [_text(header, keyword, charset) for keyword in keywords]
        if not any(values):
            return ""
        return ring.mac(Purpose.DECISIONS, kind, site, *values).hex()[:_TOKEN_DIGITS]

    patient_id = _text(header, "PatientID", charset)
    own = ("DeviceSerialNumber", "StationName")
    named = any(_text(header, keyword, charset) for keyword in own)
    return {
        "series": token("series", "SeriesInstanceUID"),
        "study": token("study", "StudyInstanceUID"),
        "device": token("device", "Manufacturer", "ManufacturerModelName", *own) if named else "",
        "patient": ring.lookup_token("patient", site, patient_id) if patient_id else "",
        "kind": UID(_text(header, "SOPClassUID")).name if "SOPClassUID" in header else "",
        "rows": _number(header, "Rows"),
        "columns": _number(header, "Columns"),
        "frames": _number(header, "NumberOfFrames") or 1,
        "instance_number": _number(header, "InstanceNumber"),
    }


def _number(header: Dataset, keyword: str) -> int:
    try:
        return int(header.get(keyword) or 0)
    except (TypeError, ValueError):
        return 0


def _text(header: Dataset, keyword: str, charset: str = "") -> str:
    element: object = header.get_item(keyword)
    if isinstance(element, RawDataElement):
        return decode_text(element.value or b"", charset)
    value = header.get(keyword) or ""
    return value if isinstance(value, str) else "\\".join(map(str, value))


def _listed(folder: Path) -> tuple[HeldSeries, ...]:
    """Return what the inspection said of the series of a batch, if it held any."""
    path = folder / LISTING_NAME
    if not path.is_file():
        return ()
    return read_listing(path.read_bytes())
