"""Keep what a PACS sends, durably before it is told so, until the site says that it is all.

What comes lies in `inbox/<SITE>/.receiving/`, which no night reads; closing renames it to an
export like any other. An object is named by the SHA-256 of its bytes: sent twice, it is there
once, and one that was cut off by a kill is known by its name.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from schemas.delivery_names import LINKAGE_NAME, READY_NAME
from schemas.errors import BadInputError, GateBlockedError
from schemas.identifiers import SiteCode
from schemas.run.atomic_files import (
    canonical_json,
    sha256_of_bytes,
    sha256_of_file,
    sync_directory,
    write_bytes,
)
from schemas.run.locks import held_lock
from schemas.run.zones import Zones
from tasks.receive.pacs import Receipt, read_expected

RECEIVING = ".receiving"


@dataclass(frozen=True)
class Closed:
    """An export made of what a PACS had sent; `unfinished` were cut off and never confirmed."""

    name: str
    files: int
    unfinished: int


def keep_object(zones: Zones, site: SiteCode, data: bytes) -> bool:
    """Write one object as it came and make it durable; return whether it is new.

    Raises
    ------
    OSError
        If it cannot be made durable: the sender must not be told that it was.
    """
    digest = sha256_of_bytes(data)
    with held_lock(_lock(zones, site), shared=True):
        folder = zones.inbox / site / RECEIVING / "dicom" / digest[:1]
        path = folder / f"{digest}.dcm"
        if path.exists() and sha256_of_file(path) == digest:
            return False
        if not folder.is_dir():
            _make_durably(folder)
        # The bytes and, on Linux file systems, the name of a new file: one flush for both.
        beside = folder / f".{digest}.{os.getpid()}.{time.monotonic_ns()}.part"
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                beside.replace(path)
                os.fsync(stream.fileno())
        except BaseException:
            beside.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise
    return True


def write_receipt(zones: Zones, receipt: Receipt, number: int) -> None:
    """Write what one association brought."""
    name = f"{receipt.begun.replace(':', '')}-{os.getpid()}-{number}.json"
    path = zones.operations / "receipts" / receipt.site_code / name
    write_bytes(path, canonical_json(receipt.facts()))


def close_receiving(
    zones: Zones, site: SiteCode, *, linkage: Path | None = None, manifest: Path | None = None
) -> Closed:
    """Make an export of what a PACS has sent, complete as the site says.

    Parameters
    ----------
    zones, site
        Whose inbox.
    linkage : Path, optional
        The site's linkage.csv, to go with it.
    manifest : Path, optional
        CSV with a column `sop_instance_uid`: every one of them must have come.

    Raises
    ------
    BadInputError
        If nothing was received, or a file that was named cannot be read.
    GateBlockedError
        If objects of the manifest have not come.
    """
    folder = zones.inbox / site / RECEIVING
    with held_lock(_lock(zones, site)):
        if not folder.is_dir():
            raise BadInputError(
                f"nothing was received from {site}",
                hint="Its PACS sends to the AE title in its site file; see `livercohort receive`.",
            )
        if manifest is not None:
            _require_all(folder, read_expected(_bytes_of(manifest)))
        unfinished = _set_unfinished_apart(folder)
        if linkage is not None:
            write_bytes(folder / LINKAGE_NAME, _bytes_of(linkage), mode=0o600)
        write_bytes(folder / READY_NAME, b"", mode=0o600)
        files = sum(1 for _ in _objects(folder))
        name = f"pacs-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        while (folder.parent / name).exists():
            name += "-2"
        folder.rename(folder.with_name(name))
        sync_directory(folder.parent)
    return Closed(name, files, unfinished)


def count_receiving(zones: Zones, site: str) -> int:
    """Return how many objects a PACS has sent that are in no export yet."""
    return sum(1 for _ in _objects(zones.inbox / site / RECEIVING))


def is_full(error: OSError) -> bool:
    """Return whether an error says that the disk is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _set_unfinished_apart(folder: Path) -> int:
    """Name what was cut off as what it is, so that it is counted and set aside like any file."""
    unfinished = 0
    for path in sorted((folder / "dicom").rglob("*")):
        cut = path.name.endswith(".part")
        if path.is_file() and (cut or sha256_of_file(path) != path.stem):
            path.rename(path.with_name(f"{path.name.lstrip('.')}.unfinished"))
            unfinished += 1
    return unfinished


def _require_all(folder: Path, wanted: set[str]) -> None:
    came = {_uid_of(path) for path in _objects(folder)}
    missing = len(wanted - came)
    if missing:
        raise GateBlockedError(
            f"{missing} of {len(wanted)} objects of the manifest have not come",
            hint="Ask the site to send the rest; nothing was closed.",
        )


def _uid_of(path: Path) -> str:
    try:
        return str(read_file_meta_info(path).get("MediaStorageSOPInstanceUID", ""))
    except (OSError, InvalidDicomError, ValueError, EOFError, KeyError):
        return ""


def _objects(folder: Path) -> Iterator[Path]:
    return (folder / "dicom").glob("*/*.dcm")


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(f"the file cannot be read: {error.strerror}", where=str(path)) from None


def _make_durably(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for parent in list(folder.parents)[:4]:
        sync_directory(parent)


def _lock(zones: Zones, site: SiteCode) -> Path:
    return zones.restricted / "receive" / f"{site}.lock"
