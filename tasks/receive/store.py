"""Find exports, hash what they hold, unpack archives. The inbox is only ever read."""

from __future__ import annotations

import json
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from schemas.delivery_names import MANIFEST_NAME, READY_NAME, control_name, folded_name
from schemas.errors import BadInputError
from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.records import DeliveredFile, Delivery, FileKind
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, write_bytes
from schemas.run.file_stamps import hashed
from schemas.run.site_files import SiteConfig
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing, Purpose
from tasks.receive import store_archives as archives
from tasks.receive.control_files import read_manifest
from tasks.receive.inventory import (
    batch_id_of,
    kind_of,
    manifest_digest_of,
    stat_digest_of,
    wrapping_folder,
)
from tasks.receive.sniff import ARCHIVE_SUFFIXES
from tasks.receive.store_zip import opened_zip

_NS_PER_MINUTE = 60 * 10**9
#: Files that one thread hashes in a row: handing over one at a time costs more than hashing it.
_HANDFUL = 16


@dataclass(frozen=True)
class Export:
    """One folder or zip in a site's inbox, as its directory entries show it.

    It is spoken of by `number` (its place among the site's exports by name): the name is the
    site's, and may identify.
    """

    number: int
    path: Path = field(repr=False)
    stat_digest: Sha256
    n_entries: int
    ready: bool
    newest_ns: int


def list_exports(zones: Zones, site: SiteConfig, *, now_ns: int) -> list[Export]:
    """Return the site's exports in name order; reads directory entries only."""
    inbox = zones.inbox / site.code
    if not inbox.is_dir():
        return []
    marks = {folded_name(path.name) for path in inbox.iterdir()}
    exports = []
    for number, path in enumerate(_export_paths(inbox), start=1):
        beside = folded_name(f"{path.name}.{READY_NAME}")
        marked = bool(marks & {beside, f"{beside}.txt"})
        exports.append(_export(number, path, site, marked=marked, now_ns=now_ns))
    return exports


def export_at(path: Path, site: SiteConfig) -> Export:
    """Return a folder or zip that lies anywhere as an export."""
    return _export(1, path, site, marked=True, now_ns=0)


def _export(number: int, path: Path, site: SiteConfig, *, marked: bool, now_ns: int) -> Export:
    entries = list(_stat_entries(path))
    newest = max((entry[2] for entry in entries), default=path.stat().st_mtime_ns)
    quiet = now_ns - newest >= site.quiet_minutes * _NS_PER_MINUTE
    ready = marked or quiet or _has_ready_mark(path, entries)
    return Export(number, path, stat_digest_of(entries), len(entries), ready, newest)


def loose_files(zones: Zones, site: SiteConfig) -> int:
    """Return how many files lie in a site's inbox beside its exports, where nobody reads them."""
    inbox = zones.inbox / site.code
    if not inbox.is_dir():
        return 0
    exports = _export_paths(inbox)
    marks = {folded_name(f"{path.name}.{READY_NAME}") for path in exports}
    return sum(
        path not in exports
        and not path.name.startswith(".")
        and folded_name(path.name).removesuffix(".txt") not in marks
        for path in inbox.iterdir()
    )


def pending_exports(zones: Zones, site: SiteConfig, *, now_ns: int) -> list[Export]:
    """Return the exports that are complete and have not become a batch as they stand now."""
    return [
        export
        for export in list_exports(zones, site, now_ns=now_ns)
        if export.ready and known_batch(zones, SiteCode(site.code), export.stat_digest) is None
    ]


def known_batch(zones: Zones, site: SiteCode, stat_digest: Sha256) -> BatchId | None:
    """Return the committed batch of an export that was not touched since, if there is one."""
    path = known_export_file(zones, site, stat_digest)
    if not path.is_file():
        # Version 0.1 kept its notes where others may read.
        path = zones.operations / "exports" / site / path.name
    if not path.is_file():
        return None
    batch = BatchId(json.loads(path.read_text(encoding="utf-8"))["batch_id"])
    return batch if is_committed(zones, site, batch) else None


def known_export_file(zones: Zones, site: SiteCode, stat_digest: Sha256) -> Path:
    """Return where it is noted which batch an untouched export became.

    The name is a plain hash over names and sizes of delivered files, so it stays restricted.
    """
    return zones.restricted / "exports" / site / f"{stat_digest[:32]}.json"


def note_export(zones: Zones, delivery: Delivery) -> None:
    """Note which batch an export is, so that it is not read again while nobody touches it.

    A note counts only once the batch is committed, so it may be written before.
    """
    note = known_export_file(zones, delivery.site, delivery.stat_digest)
    write_bytes(note, canonical_json({"batch_id": delivery.batch_id}))


def is_committed(zones: Zones, site: SiteCode, batch: BatchId) -> bool:
    """Return whether a batch counts: its `batch.json` is in place."""
    return (zones.batch(site, batch) / "batch.json").is_file()


def received_folder(zones: Zones, site: SiteCode, stat_digest: Sha256) -> Path:
    """Return where the archives of one export are unpacked."""
    return zones.work / f"{site}-received-{stat_digest[:16]}"


def take_in(
    export: Export, zones: Zones, site: SiteCode, ring: KeyRing, workers: int = 1
) -> Delivery:
    """Hash and sort everything an export holds; unpack its archives into the scratch zone.

    Batch id and manifest digest are keyed: both stand in every release, and an export may hold
    little that could not be guessed. `workers` files are hashed at a time.

    Raises
    ------
    BadInputError
        If the export holds no file at all.
    """
    into = received_folder(zones, site, export.stat_digest)
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True, mode=0o700)
    members = list(_members(export.path, into, workers))
    if not members:
        raise BadInputError(
            f"export {export.number} of {site} is empty",
            expected="dicom/, linkage.csv, clinical/ and READY",
            hint="Ask the site to deliver again; nothing was taken in.",
        )
    top = wrapping_folder(
        m.relative_path for m in members if m.reason is not ReasonCode.SYSTEM_FILE
    )
    files = _numbered(members, top)
    files, absent = _checked_against_manifest(files)
    plain = manifest_digest_of(files)
    manifest_digest = ring.keyed_digest(plain, Purpose.BATCH)
    batch = batch_id_of(manifest_digest)
    if is_committed(zones, site, batch_id_of(plain)):  # by version 0.1: it keeps its name
        batch = batch_id_of(plain)
    return Delivery(
        site=site,
        batch_id=batch,
        stat_digest=export.stat_digest,
        manifest_sha256=manifest_digest,
        files=tuple(files),
        absent_paths=absent,
    )


def sweep_interrupted(zones: Zones, site: SiteCode) -> None:
    """Remove what a killed run of the site left: scratch, and staging that was never renamed.

    Only for the holder of the site's lease. A changed export gets another batch id, so what
    lies there under the old one would stay for ever.
    """
    for scratch in zones.work.glob(f"{site}-*"):
        shutil.rmtree(scratch)
    for place, pattern in (
        (zones.warehouse / "batches" / site, ".*.part"),
        (zones.restricted / "quarantine" / site, "*/.*.part"),
        (zones.restricted / "batches" / site, "*/.*.part"),
    ):
        for staged in place.glob(pattern):
            if staged.is_dir():
                shutil.rmtree(staged)
            else:
                staged.unlink()


def forget_received(zones: Zones, delivery: Delivery) -> None:
    """Remove what was unpacked of an export that turned out to be known."""
    folder = received_folder(zones, delivery.site, delivery.stat_digest)
    shutil.rmtree(folder, ignore_errors=True)


def _export_paths(inbox: Path) -> list[Path]:
    return sorted(
        path
        for path in inbox.iterdir()
        if not path.name.startswith(".")
        and not path.is_symlink()
        and (path.is_dir() or path.suffix.lower() in ARCHIVE_SUFFIXES)
    )


def _has_ready_mark(path: Path, entries: Sequence[tuple[str, int, int]]) -> bool:
    if path.is_dir():
        # At the top, or in the one folder that wraps an export.
        names = [name.split("/") for name, _, _ in entries if name.count("/") <= 1]
    else:
        try:
            with opened_zip(path) as members:
                names = [name.replace("\\", "/").split("/") for name in members.namelist()]
        except (zipfile.BadZipFile, OSError):
            return False  # still being written; the quiet period decides
    return any(control_name(parts[-1]) == READY_NAME for parts in names)


def _stat_entries(path: Path) -> Iterator[tuple[str, int, int]]:
    if not path.is_dir():
        info = path.stat()
        yield path.name, info.st_size, info.st_mtime_ns
        return
    for file in _walk(path):
        name, info = str(file.relative_to(path)), file.lstat()
        if stat.S_ISDIR(info.st_mode) or not _can_be_read(file, info):
            # A change of rights is a change of the export: then it is read again.
            name += "\0unreadable"
        yield name, info.st_size, info.st_mtime_ns


def _can_be_read(file: Path, info: os.stat_result) -> bool:
    return not stat.S_ISREG(info.st_mode) or os.access(file, os.R_OK)


def _walk(root: Path) -> Iterator[Path]:
    """Yield everything below a folder that is no folder, and each folder that cannot be listed."""
    refused: list[str] = []
    for folder, folders, names in os.walk(
        root, followlinks=False, onerror=lambda error: refused.append(str(error.filename))
    ):
        for name in names:
            yield Path(folder, name)
        for name in folders:
            if Path(folder, name).is_symlink():
                yield Path(folder, name)
    yield from map(Path, refused)


def _members(path: Path, into: Path, workers: int) -> Iterator[archives.Unpacked]:
    if not path.is_dir():
        suffix = path.suffix.lower()
        yield from _archive_members(path, into, prefix="", name=f"archive{suffix}")
        return
    for number, member in enumerate(_plain_members(path, workers), start=1):
        file, name = member.path, member.relative_path
        if member.reason is None and archives.is_zip(file, name):
            prefix = name[: -len(".zip")]
            yield from _archive_members(file, into / f"a{number:06d}", prefix=prefix, name=name)
        else:
            yield archives.told_by_content(member)


def _plain_members(folder: Path, workers: int) -> Iterator[archives.Unpacked]:
    """Yield the files of a folder in order, hashed by threads: who reads or hashes waits for none.

    Parameters
    ----------
    folder : Path
        Where they lie.
    workers : int
        Threads; they have ended when the last file was yielded.
    """
    files = sorted(_walk(folder))
    some = [files[begin : begin + _HANDFUL] for begin in range(0, len(files), _HANDFUL)]

    def hashed_ones(handful: list[Path]) -> list[archives.Unpacked]:
        return [_plain_member(file, str(file.relative_to(folder))) for file in handful]

    with ThreadPoolExecutor(workers) as threads:
        for handful in threads.map(hashed_ones, some):
            yield from handful


def _plain_member(file: Path, name: str) -> archives.Unpacked:
    nothing = sha256_of_bytes(b"")
    info = file.lstat()
    if stat.S_ISDIR(info.st_mode):
        return archives.Unpacked(name, file, 0, nothing, ReasonCode.FOLDER_UNREADABLE)
    if not stat.S_ISREG(info.st_mode):
        return archives.Unpacked(name, file, 0, nothing, ReasonCode.UNSAFE_PATH)
    try:
        sha256, stamp = hashed(file)
        return archives.Unpacked(name, file, info.st_size, sha256, stamp=stamp)
    except OSError:
        return archives.Unpacked(name, file, info.st_size, nothing, ReasonCode.UNREADABLE)


def _archive_members(
    archive: Path, into: Path, *, prefix: str, name: str
) -> list[archives.Unpacked]:
    # Collected first: an archive that fails half-way is one file set aside, not some of its parts.
    try:
        return list(archives.unpack(archive, into, prefix=prefix))
    except archives.ArchiveTooLargeError:
        shutil.rmtree(into, ignore_errors=True)
        reason = ReasonCode.ARCHIVE_TOO_LARGE
    except zipfile.BadZipFile:
        reason = ReasonCode.ARCHIVE_UNREADABLE
    return [replace(_plain_member(archive, name), reason=reason)]


def _numbered(members: list[archives.Unpacked], top: str) -> list[DeliveredFile]:
    named = [
        (member.relative_path.removeprefix(f"{top}/") if top else member.relative_path, member)
        for member in members
    ]
    # An archive may hold one name twice: the contents then decide the order.
    named.sort(key=lambda pair: (pair[0], pair[1].sha256))
    return [
        DeliveredFile(
            file_no=number,
            relative_path=name,
            place=str(member.path),
            size_bytes=member.size_bytes,
            sha256=member.sha256,
            kind=FileKind.REFUSED if member.reason else kind_of(name),
            reason=member.reason,
            stamp=member.stamp,
        )
        for number, (name, member) in enumerate(named, start=1)
    ]


def _checked_against_manifest(
    files: list[DeliveredFile],
) -> tuple[list[DeliveredFile], tuple[str, ...]]:
    """Return the files, those that differ refused, and the paths that did not arrive."""
    absent: set[str] = set()
    names = {file.relative_path for file in files}
    manifests = [f for f in files if control_name(f.relative_path) == MANIFEST_NAME]
    for manifest in manifests:
        if manifest.reason is not None:
            continue
        try:
            stated = read_manifest(manifest.path.read_bytes())
        except BadInputError:
            # An unreadable manifest proves nothing: it is set aside, the files stand alone.
            refused = _refused(manifest, ReasonCode.UNREADABLE_FORM)
            files = [refused if f is manifest else f for f in files]
            continue
        files = [
            _refused(file, ReasonCode.MANIFEST_MISMATCH)
            if file.reason is None and stated.get(file.relative_path, file.sha256) != file.sha256
            else file
            for file in files
        ]
        absent |= stated.keys() - names
    return files, tuple(sorted(absent))


def _refused(file: DeliveredFile, reason: ReasonCode) -> DeliveredFile:
    return replace(file, kind=FileKind.REFUSED, reason=reason)
