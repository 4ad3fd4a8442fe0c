"""Whether the warehouse still holds what was committed: looked at before a release reads it.

Tables are hashed every time. Images are hashed when they are new or their directory entry
changed, and all of them once a week or on request: a bit that flips on a disk changes no entry.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import GateBlockedError
from schemas.run.atomic_files import sha256_of_file
from schemas.run.zones import Zones
from schemas.states import FileState
from schemas.vault.anchors import Anchors
from tasks.publish.batches import CommittedBatch, CommittedCohort
from tasks.publish.store_checked import FULL_EVERY_DAYS, Checked
from tasks.publish.store_tables import read_parts

_NAMED = 20


def look_again_at(zones: Zones) -> float:
    """Return from when every image has to be hashed anew, in seconds since 1970."""
    return Checked(zones).full_at + FULL_EVERY_DAYS * 86_400.0


@dataclass(frozen=True)
class _Damage:
    """One file of a batch that is not what was committed."""

    site: str
    batch: str
    file: str
    found: str


def require_unchanged(
    zones: Zones, batches: Iterable[CommittedBatch], anchors: Anchors | None, checked: Checked
) -> None:
    """Raise GateBlockedError naming every batch and file that is not as it was committed."""
    found = [
        damage
        for batch in batches
        for damage in _damages(zones, batch.site_code, batch.batch_id, anchors, checked)
    ]
    if not found:
        return
    told = sorted({f"batch {one.batch} of {one.site}" for one in found})
    named = [f"{one.site}/{one.batch}: {one.file} {one.found}" for one in found[:_NAMED]]
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    raise GateBlockedError(
        f"{len(found)} files are not as they were committed: {'; '.join(named)}{more}",
        where=", ".join(told),
        expected="the SHA-256 that batch.json and its tables state",
        hint="Restore them from backup, or take the export in again; nothing was released.",
    )


def require_no_batch_gone(previous: Path | None, committed: CommittedCohort) -> None:
    """Raise GateBlockedError if a batch of the release before is not there any more."""
    if previous is None:
        return
    now = {str(batch.batch_id) for batch in committed.batches}
    rows = read_parts(previous, "ingest_batch").select(["site_code", "batch_id"]).to_pylist()
    gone = sorted((r["site_code"], r["batch_id"]) for r in rows if r["batch_id"] not in now)
    if gone:
        raise GateBlockedError(
            f"{len(gone)} batches of release {previous.name} are gone: "
            + ", ".join(f"batch {batch} of {site}" for site, batch in gone),
            where="warehouse/batches",
            expected="every batch that the release before was made of",
            hint="Restore them from backup; or, if they were removed on purpose, release with "
            "--accept-gone.",
        )


def _damages(
    zones: Zones, site: str, batch: str, anchors: Anchors | None, checked: Checked
) -> Iterator[_Damage]:
    folder = zones.warehouse / "batches" / site / batch

    def damage(file: str, found: str) -> _Damage:
        return _Damage(site, batch, file, found)

    anchored = (anchors.batches if anchors else {}).get(f"{site}/{batch}")
    if anchored is not None and sha256_of_file(folder / "batch.json") != anchored:
        yield damage("batch.json", "was changed")
    record = json.loads((folder / "batch.json").read_bytes())
    if anchored is None and record.get("anchored"):
        yield damage("batch.json", "is not remembered by this home")
    notes = record.get("tables", {})
    present = {path.stem for path in folder.glob("*.parquet")}
    for name in sorted(present | notes.keys()):
        file = f"{name}.parquet"
        if name not in present:
            yield damage(file, "is missing")
        elif name not in notes:
            yield damage(file, "was not committed")
        elif sha256_of_file(folder / file) != notes[name]["sha256"]:
            yield damage(file, "was changed")
    sidecars = record.get("sidecars", {})
    for image, stated in _images(folder, zones, site, sidecars):
        if found := _wrong(image, stated, checked):
            yield damage(Path(image).relative_to(zones.warehouse).as_posix(), found)


def _wrong(path: Path | str, stated: str, checked: Checked) -> str:
    """Return what is wrong with an image; nothing where it is as it was committed."""
    try:
        return "" if checked.is_as(path, stated) else "was changed"
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return "is missing"


def _images(
    folder: Path, zones: Zones, site: str, sidecars: Mapping[str, str]
) -> Iterator[tuple[Path | str, str]]:
    """Yield every image that a batch brought, and what lies beside it, with the hash stated.

    The path of an image is a text: there are millions. A batch committed by an earlier version
    states nothing of what lies beside.
    """
    try:
        series = dict(_rows(folder / "instance.parquet", "sop_uid", "series_uid"))
        files = _rows(folder / "file.parquet", "state", "sop_uid", "output_sha256")
        volumes = _rows(folder / "volume.parquet", "series_uid", "file_name", "sha256")
    except (OSError, pa.ArrowException):
        return  # the table itself was named
    beside: dict[str, list[str]] = defaultdict(list)
    for name in sidecars:
        series_uid, _, file_name = name.partition("/")
        beside[f"{series_uid}/{_stem(file_name)}"].append(name)
    images = zones.warehouse / "dicom" / site
    accepted = str(FileState.ACCEPTED)
    for state, sop_uid, digest in files:
        if state == accepted and sop_uid in series:
            yield f"{images}/{series[sop_uid]}/{sop_uid}.dcm", digest
    for series_uid, file_name, digest in volumes:
        if file_name and digest:
            place = zones.warehouse / "nifti" / site / series_uid
            yield place / file_name, digest
            for name in beside.get(f"{series_uid}/{_stem(file_name)}", ()):
                yield place.parent / name, sidecars[name]


def _rows(path: Path, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Return some columns of a table row by row; read at once, so that damage shows here."""
    table = pq.read_table(path, columns=list(columns))
    return zip(*(table[name].to_pylist() for name in columns), strict=True)


def _stem(file_name: str) -> str:
    return file_name.partition(".")[0]
