"""Convert any folder of DICOM: every file ends as a volume or with a reason."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.sub_stacks import group_by_series
from schemas.errors import BadInputError
from schemas.records import VolumeRecord
from schemas.run.folder_files import list_files
from schemas.states import ReasonCode
from tasks.convert.codes import REMARKS, Code
from tasks.convert.folder_rows import CONVERTED, SET_ASIDE, FileRow, FolderResult
from tasks.convert.store import convert_many
from tasks.convert.store_delivered import read_delivered
from tasks.convert.store_destination import (
    SCRATCH_PREFIX,
    remove_leftovers,
    remove_stale,
    require_destination,
    require_same_source,
    require_space,
)
from tasks.convert.store_scan import ScannedFile, read_headers
from tasks.convert.store_series import DEFAULT_TIMEOUT_S, SeriesJob
from tasks.convert.store_source import KnownFile
from tasks.convert.store_unchanged import mark_run, marked_counts, source_digest


def convert_folder(
    src: Path,
    dst: Path,
    workers: int = 1,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    rehash: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> FolderResult:
    """Convert all DICOM below `src` into `dst`.

    Parameters
    ----------
    src : Path
        Any folder, raw or de-identified. Links are not followed but set aside.
    dst : Path
        Takes `<digest>.nii.gz` with sidecars, `volumes.parquet` (one row per sub-stack) and
        `files.parquet` (one row per file). Must not lie inside `src`. Volumes of an earlier
        run that the source no longer gives are removed.
    workers : int
        Series at a time.
    timeout_s : float
        Wall time of one series.
    rehash : bool
        Read every file even where none seems to have changed since the last run.
    progress : callable, optional
        Told `(done, all)` series.

    Raises
    ------
    BadInputError
        If `src` is no folder or holds `dst`, if `dst` is no folder or has volumes of another
        source.
    EnvironmentProblemError
        If the disk is full.
    """
    if not src.is_dir():
        raise BadInputError("the source is not a folder", hint="Name a folder of DICOM files.")
    require_destination(src, dst)
    files = list_files(src)
    digest = source_digest(src, files)
    if not rehash and marked_counts(dst, digest) is not None:
        from tasks.convert.store_tables import read_tables

        return read_tables(dst)
    with tempfile.TemporaryDirectory(dir=dst, prefix=SCRATCH_PREFIX) as scratch:
        scanned = _without_repeats(_scanned(files, workers))
        usable = [s for s in scanned if s.features is not None]
        jobs = _jobs(usable, dst, read_delivered(src))
        require_same_source(dst, jobs)
        lists = convert_many(
            jobs, Path(scratch), workers=workers, timeout_s=timeout_s, progress=progress
        )
    require_space(dst, jobs, lists)
    volumes = sorted((r for found in lists for r in found), key=lambda r: _volume_key(r))
    rows = _account(scanned, jobs, volumes)
    result = FolderResult(tuple(rows), tuple(volumes), removed=remove_stale(dst, volumes))
    remove_leftovers(dst)
    # Not before: workers need no Arrow, and a thread of its own would cost them the fork.
    from tasks.convert.store_tables import write_tables

    write_tables(dst, result)
    mark_run(dst, digest, result)
    return result


def _scanned(files: Sequence[tuple[int, Path]], workers: int) -> list[ScannedFile]:
    """Read what is a plain file; set aside, unread, what is a link or a device."""
    plain, others = [], []
    for number, path in files:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode):
            plain.append((number, path))
        else:
            row = FileRow(number, SET_ASIDE, ReasonCode.UNSAFE_PATH.value, None, found.st_size)
            others.append(ScannedFile(row, path))
    return read_headers(plain, workers) + others


def _volume_key(record: VolumeRecord) -> tuple[str, str]:
    return (record.series_uid, record.sub_stack_digest)


def _without_repeats(scanned: Sequence[ScannedFile]) -> list[ScannedFile]:
    """Keep one file of equal twins; hold all files of a UID that names different bytes."""
    by_uid: dict[str, list[ScannedFile]] = {}
    for s in scanned:
        if s.features is not None and s.features.sop_uid:
            by_uid.setdefault(s.features.sop_uid, []).append(s)
    result = [s for s in scanned if s.features is None]
    for same in by_uid.values():
        first, *others = same
        if len({s.row.sha256 for s in same}) > 1:
            result += [_held(s, ReasonCode.UID_REUSED.value) for s in same]
        else:
            result += [first, *(_held(s, "DUPLICATE") for s in others)]
    return sorted(result, key=lambda s: s.row.file_no)


def _held(scanned: ScannedFile, reason: str) -> ScannedFile:
    return ScannedFile(replace(scanned.row, reason=reason), scanned.path)


def _jobs(
    usable: Sequence[ScannedFile], dst: Path, delivered: Mapping[str, DeliveredFacts]
) -> list[SeriesJob]:
    of_uid = {s.features.sop_uid: s for s in usable if s.features and s.features.sop_uid}
    groups = group_by_series(s.features for s in usable if s.features is not None)
    jobs = []
    for members in groups.values():
        own = {m.sop_uid: of_uid[m.sop_uid] for m in members if m.sop_uid}
        known = {uid: KnownFile(s.row.sha256, s.facts) for uid, s in own.items() if s.row.sha256}
        paths = {uid: s.path for uid, s in own.items()}
        said = {uid: delivered[uid] for uid in own if uid in delivered}
        jobs.append(SeriesJob(paths, tuple(members), dst, known=known, delivered=said))
    return jobs


def _account(
    scanned: Sequence[ScannedFile], jobs: Sequence[SeriesJob], volumes: Sequence[VolumeRecord]
) -> list[FileRow]:
    """Give every file its end; one that no volume knows is an error of ours, never silent."""
    record_of = {(r.series_uid, r.sub_stack_digest): r for r in volumes}
    end_of: dict[str, VolumeRecord] = {}
    for job in jobs:
        for stack in job.stacks:
            for m in stack.members:
                found = record_of.get((stack.series_uid, stack.digest))
                # A multi-frame file may end in several volumes: one published is its end.
                if m.sop_uid and found and (found.file_name or m.sop_uid not in end_of):
                    end_of[m.sop_uid] = found
    return [_final_row(s, end_of) for s in scanned]


def _final_row(scanned: ScannedFile, end_of: dict[str, VolumeRecord]) -> FileRow:
    if scanned.features is None:
        return scanned.row
    record = end_of.get(scanned.features.sop_uid or "")
    if record is None:
        return replace(scanned.row, reason=Code.WORKER_FAILED.value)
    row = replace(scanned.row, sub_stack_digest=record.sub_stack_digest)
    if record.file_name is not None:
        return replace(row, state=CONVERTED)
    return replace(row, reason=next(c for c in record.codes if Code(c) not in REMARKS))
