"""Whether the evaluations beside a release are what was published, and stand on this release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import BadInputError
from schemas.evaluations import EVALUATION_MANIFEST, EVALUATIONS
from schemas.run.atomic_files import sha256_of_file
from tasks.publish.checks import Problem, check_flow
from tasks.publish.manifest import SUMS, parse_sums
from tasks.publish.signature import (
    PUBLIC_KEY,
    SIGNATURE,
    SignatureError,
    read_public_key,
    signed_comment,
)
from tasks.publish.store_evaluations import signed_as

_ALWAYS = (SUMS, SIGNATURE)


def check_evaluations(release: Path, known: bytes | None) -> Iterator[Problem]:
    """Yield what is wrong with the evaluations of a release.

    Parameters
    ----------
    release : Path
        Its folder.
    known : bytes, optional
        Public key of the home; else the one inside the release has to do.
    """
    shelf = release / EVALUATIONS
    if shelf.is_symlink():
        yield Problem("REL-KIND", "file", EVALUATIONS, "a link", "a folder")
        return
    if not shelf.is_dir():
        return
    public = known if known is not None else _own_key(release)
    for folder in sorted(shelf.iterdir()):
        if folder.is_symlink() or not folder.is_dir() or folder.name.startswith("."):
            yield Problem("REL-EXTRA", "folder", EVALUATIONS, "a file that is not listed", "none")
            continue
        yield from _check_files(folder)
        yield from _check_origin(folder, release, public)
        yield from _check_flow(folder)


def _check_files(folder: Path) -> Iterator[Problem]:
    where = f"{EVALUATIONS}/{folder.name}"
    try:
        sums, wrong = parse_sums((folder / SUMS).read_bytes())
    except OSError:
        yield Problem("REL-MISSING", "file", f"{where}/{SUMS}", "no file", "checksums")
        return
    if wrong:
        found = f"line {wrong[0]}"
        yield Problem("REL-UNREADABLE", "file", f"{where}/{SUMS}", found, "readable")
    for path, digest in sums.items():
        place = folder / path
        if place.is_symlink() or not place.is_file():
            yield Problem("REL-MISSING", "file", f"{where}/{path}", "no file", digest)
        elif (found := sha256_of_file(place)) != digest:
            yield Problem("REL-CHECKSUM", "file", f"{where}/{path}", found, digest)
    for place in sorted(folder.rglob("*")):
        name = place.relative_to(folder).as_posix()
        if name not in {*sums, *_ALWAYS} and (place.is_symlink() or place.is_file()):
            yield Problem("REL-EXTRA", "folder", where, "a file that is not listed", "none")


def _check_origin(folder: Path, release: Path, public: bytes | None) -> Iterator[Problem]:
    where = f"{EVALUATIONS}/{folder.name}"
    try:
        sums, signature = (folder / SUMS).read_bytes(), (folder / SIGNATURE).read_bytes()
    except OSError:
        yield Problem("REL-SIGNATURE", "file", f"{where}/{SIGNATURE}", "not signed", "a signature")
        return
    if public is None:
        return  # REL-SIGNATURE of the release names it
    try:
        comment = signed_comment(sums, signature, public)
    except SignatureError as error:
        yield Problem("REL-SIGNATURE", "file", f"{where}/{SIGNATURE}", str(error), "a signature")
        return
    release_sums = sha256_of_file(release / SUMS) if (release / SUMS).is_file() else ""
    if comment != signed_as(folder.name, release_sums):
        yield Problem("REL-REPLAY", "file", where, "of another release or name", "of this release")
    try:
        manifest = json.loads((folder / EVALUATION_MANIFEST).read_bytes())
        stated = str(manifest["release_sums_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        yield Problem("REL-UNREADABLE", "file", f"{where}/{EVALUATION_MANIFEST}", "no", "readable")
        return
    if stated != release_sums:
        yield Problem("REL-REPLAY", "file", where, stated, release_sums)


def _check_flow(folder: Path) -> Iterator[Problem]:
    """Yield where the flow does not close, by the check that the flow of a release passes."""
    path = folder / "tables" / "evaluation_flow.parquet"
    if not path.is_file():
        return
    try:
        yield from check_flow(pq.read_table(path))
    except (pa.ArrowException, OSError, KeyError):
        name = f"{EVALUATIONS}/{folder.name}/tables/evaluation_flow.parquet"
        yield Problem("REL-UNREADABLE", "file", name, "cannot be read", "readable")


def _own_key(release: Path) -> bytes | None:
    try:
        return read_public_key((release / PUBLIC_KEY).read_bytes())
    except (OSError, BadInputError):
        return None
