"""Run `dciodvfy` over one object of every series, as delivered and as written."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

from schemas.conformity import ConformityRow
from schemas.records import DeliveredFile, FileOutcome
from schemas.states import FileState
from tasks.deidentify.conformity import FAILED, NOT_INSTALLED, TOO_LARGE, compare, one_of_each
from tasks.deidentify.gzipped import MOST_BYTES
from tasks.deidentify.store import object_path

_SECONDS = 120
_GZIP_MARK = b"\x1f\x8b"
_AT_ONCE = 1 << 20


def check_conformity(
    files: Sequence[DeliveredFile],
    outcomes: Sequence[FileOutcome],
    dicom: Path,
    validator: str,
    workers: int,
) -> tuple[ConformityRow, ...]:
    """Compare one object of every series with the one that was delivered.

    Parameters
    ----------
    files : sequence of DeliveredFile
        What was delivered (restricted).
    outcomes : sequence of FileOutcome
        Where each file ended; only accepted objects are looked at.
    dicom : Path
        Where the objects written lie.
    validator : str
        Name or path of `dciodvfy`; empty for none.
    workers : int
        Programs that run at the same time.

    Returns
    -------
    tuple of ConformityRow
        One per series, by series UID. Without the program each says so: nothing is taken for
        checked that was not.
    """
    delivered = {file.file_no: file.path for file in files}
    kept = {
        str(o.sop_uid): o
        for o in outcomes
        if o.state is FileState.ACCEPTED and o.features is not None
    }
    chosen = one_of_each((str(o.features.series_uid), uid) for uid, o in kept.items() if o.features)
    program = shutil.which(validator) if validator else None
    if program is None:
        return tuple(
            ConformityRow(uid, series, "", not_checked=NOT_INSTALLED)
            for series, uid in chosen.items()
        )
    check = partial(_check, program, delivered, dicom)
    with ThreadPoolExecutor(workers) as pool:
        return tuple(pool.map(check, (kept[uid] for uid in chosen.values())))


def _check(
    program: str, delivered: dict[int, Path], dicom: Path, outcome: FileOutcome
) -> ConformityRow:
    place = object_path(outcome)
    uids = (place.stem, place.parent.name)
    try:
        version = _version(program)
        # In the scratch of the batch: what is unpacked is as delivered, and still names its person.
        with tempfile.TemporaryDirectory(dir=dicom.parent) as scratch:
            plain = plain_object(delivered[outcome.file_no], Path(scratch))
            if plain is None:
                return ConformityRow(*uids, version, not_checked=TOO_LARGE)
            before = _said(program, plain)
        return compare(*uids, version, before, _said(program, dicom / place))
    except Exception as error:  # of an unpacker or a program: it checks nothing, and ends nothing
        # The class alone: what it says may quote a stranger's file.
        return ConformityRow(*uids, "", not_checked=f"{FAILED}: {type(error).__name__}")


def plain_object(path: Path, scratch: Path, most_bytes: int = MOST_BYTES) -> Path | None:
    """Return a file as the validator reads it: what came compressed is unpacked into `scratch`.

    None for one that grows larger than `most_bytes`, beyond which no object is taken in either.
    """
    with path.open("rb") as stream:
        if stream.read(len(_GZIP_MARK)) != _GZIP_MARK:
            return path
    unpacked = scratch / "object.dcm"
    left = most_bytes
    with gzip.open(path, "rb") as source, unpacked.open("wb") as target:
        while part := source.read(min(_AT_ONCE, left + 1)):
            left -= len(part)
            if left < 0:
                return None
            target.write(part)
    return unpacked


def _said(program: str, path: Path) -> str:
    ended = subprocess.run(
        [program, "-new", str(path)], check=False, capture_output=True, timeout=_SECONDS
    )
    return (ended.stdout + ended.stderr).decode("utf-8", "replace")


@lru_cache(maxsize=4)
def _version(program: str) -> str:
    """Return the program and its version; the program's name alone where it tells none."""
    ended = subprocess.run(
        [program, "-version"], check=False, capture_output=True, timeout=_SECONDS
    )
    said = (ended.stdout + ended.stderr).decode("utf-8", "replace").splitlines()
    versions = [line.partition("Version:")[2].strip() for line in said if "Version:" in line]
    return " ".join(["dciodvfy", *versions[:1]])
