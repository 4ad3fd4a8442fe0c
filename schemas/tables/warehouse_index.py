"""Which committed batches of a site hold a UID: an index, so that a night opens only those.

Never the truth: it says which tables are worth opening, and what counts is read from them. A
batch that it does not know, or whose tables changed since, is opened; an index that is lost or
damaged is as none, and is made anew by the next night. It holds hashes of keyed UIDs: two that
share one by chance cost the opening of a batch. It lies in the restricted zone: an index that
somebody planted would hide batches, and with them that an object came before with other pixels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.identifiers import SiteCode
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones

#: Where the UIDs of a batch stand, and the columns they stand in.
_TABLES: Mapping[str, tuple[str, ...]] = {
    "file.parquet": ("sop_uid",),
    "instance.parquet": ("sop_uid", "study_uid", "series_uid"),
}
_STAMPS, _DIGEST = b"batches", b"digest"
_UidHashes = NDArray[np.int64]


@dataclass(frozen=True)
class _Index:
    """What is known of batches: how their tables stood, and hash and batch of each UID."""

    stamps: Mapping[str, list[list[int]]]
    hashes: _UidHashes
    batches: NDArray[np.int32]


_NOTHING = _Index({}, np.zeros(0, np.int64), np.zeros(0, np.int32))


def batches_with(zones: Zones, site: SiteCode, uids: Collection[str]) -> list[Path]:
    """Return the folders of batches that may hold one of these UIDs, by batch id.

    Parameters
    ----------
    zones, site
        Whose warehouse.
    uids : collection of str
        SOP instances, series or studies, de-identified.
    """
    index = _read(_place(zones, site))
    found = index.batches[np.isin(index.hashes, _hashes(uids))]
    names = list(index.stamps)
    touched = {names[number] for number in np.unique(found)}
    return [
        folder
        for folder in _folders(zones, site)
        if folder.name in touched or index.stamps.get(folder.name) != _stamp(folder)
    ]


def update_index(zones: Zones, site: SiteCode) -> None:
    """Take into the index what was committed or changed since; only for who holds the site."""
    old = _read(_place(zones, site))
    stamps = {folder.name: _stamp(folder) for folder in _folders(zones, site)}
    if stamps == old.stamps:
        return
    names = list(old.stamps)
    number_of = {name: number for number, name in enumerate(stamps)}
    # Of each batch known before its number now, -1 where it is gone or changed.
    now = np.array(
        [number_of[n] if stamps.get(n) == old.stamps[n] else -1 for n in names], np.int32
    )
    renumbered = now[old.batches] if names else old.batches
    hashes, batches = [old.hashes[renumbered >= 0]], [renumbered[renumbered >= 0]]
    for folder in _folders(zones, site):
        if old.stamps.get(folder.name) != stamps[folder.name]:
            own = _hashes(_uids_of(folder))
            hashes.append(own)
            batches.append(np.full(len(own), number_of[folder.name], np.int32))
    _write(_place(zones, site), _Index(stamps, np.concatenate(hashes), np.concatenate(batches)))


def forget_index(zones: Zones, site: SiteCode) -> None:
    """Drop the index when a subject is erased: hashes of their UIDs stand in it as well."""
    before = zones.operations / "index" / f"{site}.parquet"  # where versions before had it
    for place in (_place(zones, site), before):
        place.unlink(missing_ok=True)


def _place(zones: Zones, site: SiteCode) -> Path:
    return zones.restricted / "index" / f"{site}.parquet"


def _folders(zones: Zones, site: SiteCode) -> list[Path]:
    return sorted(p for p in (zones.warehouse / "batches" / site).glob("[!.]*") if p.is_dir())


def _stamp(folder: Path) -> list[list[int]]:
    """Return how the tables stand: a table is never written in place, so a change shows."""
    facts = [path.stat() for path in (folder / name for name in _TABLES) if path.is_file()]
    return [[one.st_mtime_ns, one.st_size, one.st_ino] for one in facts]


def _uids_of(folder: Path) -> set[str]:
    found: set[str] = set()
    for name, columns in _TABLES.items():
        if (folder / name).is_file():
            table = pq.read_table(folder / name, columns=list(columns))
            for column in columns:
                found.update(table[column].unique().to_pylist())
    return found - {None}


def _hashes(uids: Iterable[str]) -> _UidHashes:
    digests = b"".join(hashlib.blake2b(uid.encode(), digest_size=8).digest() for uid in uids)
    return np.frombuffer(digests, np.int64)


def _read(path: Path) -> _Index:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
        noted = table.schema.metadata or {}
        stamps = json.loads(noted[_STAMPS])
        index = _Index(stamps, table["uid"].to_numpy(), table["batch"].to_numpy())
        return index if noted[_DIGEST] == _digest(index) else _NOTHING
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        return _NOTHING


def _digest(index: _Index) -> bytes:
    parts = (json.dumps(index.stamps).encode(), index.hashes.tobytes(), index.batches.tobytes())
    return hashlib.blake2b(b"".join(parts)).hexdigest().encode()


def _write(path: Path, index: _Index) -> None:
    table = pa.table({"uid": pa.array(index.hashes), "batch": pa.array(index.batches)})
    stream = BytesIO()
    pq.write_table(
        table.replace_schema_metadata(
            {_STAMPS: json.dumps(index.stamps).encode(), _DIGEST: _digest(index)}
        ),
        stream,
        compression="zstd",
        use_dictionary=["batch"],
    )
    write_bytes(path, stream.getvalue(), mode=0o600)
