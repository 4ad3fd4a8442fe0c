"""Convert any folder of DICOM: every file ends as a volume or with a reason."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import MediaStorageDirectoryStorage

from schemas.atomic_files import sha256_of_bytes, sha256_of_file, write_bytes
from schemas.errors import BadInputError
from schemas.features import InstanceFeatures, read_features
from schemas.identifiers import Sha256
from schemas.records import VolumeRecord
from schemas.states import ReasonCode
from schemas.sub_stacks import group_by_series, split_series
from tasks.convert.codes import REMARKS, Code
from tasks.convert.header_scan import ScannedHeader, scan_header
from tasks.convert.header_view import view_of
from tasks.convert.source import PixelFacts, facts_of_scan
from tasks.convert.store import DEFAULT_TIMEOUT_S, SeriesJob, convert_many
from tasks.convert.store_pool import Loss, run_isolated
from tasks.convert.store_source import KnownFile
from tasks.convert.store_unchanged import mark_run, read_unchanged_run, source_digest

_FILES_PER_CHUNK = 128
_READ_TIMEOUT_S = 15.0
_READ_MEMORY_BYTES = 2 << 30
_DEFER_BYTES = 1024
#: Larger files are hashed in pieces, and their headers are left to the full parser.
_WHOLE_FILE_BYTES = 64 << 20
SCRATCH_PREFIX = ".scratch-"
#: What `schemas.atomic_files` and the compressor write beside a file before it is whole.
PART_SUFFIX = ".part"
CONVERTED, SET_ASIDE = "converted", "set_aside"

_FILE_SCHEMA = pa.schema(
    [
        pa.field("file_no", pa.int64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("size_bytes", pa.int64()),
        pa.field("sub_stack_digest", pa.string()),
    ]
)


@dataclass(frozen=True)
class FileRow:
    """Where one file of the folder ended.

    `file_no` counts from 1 over the sorted relative paths; the path itself is in no table.
    `reason` is a `ReasonCode` or a `Code`, None for a file that is in a volume.
    """

    file_no: int
    state: str
    reason: str | None
    sha256: Sha256 | None
    size_bytes: int | None
    sub_stack_digest: str | None = None


@dataclass(frozen=True)
class FolderResult:
    """What became of a folder: one row per file, one record per sub-stack."""

    files: tuple[FileRow, ...]
    volumes: tuple[VolumeRecord, ...]


@dataclass(frozen=True)
class _Scanned:
    row: FileRow
    path: Path
    features: InstanceFeatures | None = None
    facts: PixelFacts | None = None


def convert_folder(
    src: Path,
    dst: Path,
    workers: int = 1,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Callable[[int, int], None] | None = None,
) -> FolderResult:
    """Convert all DICOM below `src` into `dst`.

    Parameters
    ----------
    src : Path
        Any folder, raw or de-identified. Links are not followed.
    dst : Path
        Takes `<digest>.nii.gz` with sidecars, `volumes.parquet` (one row per sub-stack) and
        `files.parquet` (one row per file). Must not lie inside `src`.
    workers : int
        Series at a time.
    timeout_s : float
        Wall time of one series.
    progress : callable, optional
        Told `(done, all)` series.

    Raises
    ------
    BadInputError
        If `src` is no folder or holds `dst`.
    """
    if not src.is_dir():
        raise BadInputError("the source is not a folder", hint="Name a folder of DICOM files.")
    if dst.resolve().is_relative_to(src.resolve()):
        raise BadInputError("the destination lies inside the source", hint="Name another folder.")
    dst.mkdir(parents=True, exist_ok=True)
    files = _list_files(src)
    digest = source_digest(src, files)
    before = read_unchanged_run(dst, digest, FileRow)
    if before is not None:
        return FolderResult(tuple(before[0]), tuple(before[1]))
    with tempfile.TemporaryDirectory(dir=dst, prefix=SCRATCH_PREFIX) as scratch:
        scanned = _without_repeats(_scan(files, workers))
        usable = [s for s in scanned if s.features is not None]
        jobs = _jobs(usable, dst)
        lists = convert_many(
            jobs, Path(scratch), workers=workers, timeout_s=timeout_s, progress=progress
        )
    volumes = sorted((r for found in lists for r in found), key=lambda r: _volume_key(r))
    result = FolderResult(tuple(_account(scanned, jobs, volumes)), tuple(volumes))
    _remove_leftovers(dst)
    write_bytes(dst / "files.parquet", _parquet(_files_table(result.files)))
    write_bytes(dst / "volumes.parquet", _parquet(volumes_table(result.volumes)))
    mark_run(dst, digest, result.volumes)
    return result


def _remove_leftovers(dst: Path) -> None:
    """Remove scratch folders and half-written files of a run that was killed."""
    for path in dst.glob(".*"):
        if path.is_dir() and path.name.startswith(SCRATCH_PREFIX):
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file() and path.name.endswith(PART_SUFFIX):
            path.unlink()


def _volume_key(record: VolumeRecord) -> tuple[str, str]:
    return (record.series_uid, record.sub_stack_digest)


def _list_files(src: Path) -> list[tuple[int, Path]]:
    found = (p for p in src.rglob("*") if p.is_file() and not p.is_symlink())
    ordered = sorted(found, key=lambda p: p.relative_to(src).as_posix().encode("utf-8", "replace"))
    return list(enumerate(ordered, start=1))


def _scan(files: Sequence[tuple[int, Path]], workers: int) -> list[_Scanned]:
    """Read all headers in workers that may die; a chunk that is lost is read file by file."""
    chunks = [files[i : i + _FILES_PER_CHUNK] for i in range(0, len(files), _FILES_PER_CHUNK)]
    scanned, lost = _scan_chunks(chunks, workers)
    alone, hopeless = _scan_chunks([[item] for chunk in lost for item in chunk], workers)
    for ((number, path),) in hopeless:
        row = FileRow(number, SET_ASIDE, ReasonCode.UNPARSABLE.value, None, path.stat().st_size)
        alone.append(_Scanned(row, path))
    return sorted(scanned + alone, key=lambda s: s.row.file_no)


_Chunk = Sequence[tuple[int, Path]]


def _scan_chunks(chunks: Sequence[_Chunk], workers: int) -> tuple[list[_Scanned], list[_Chunk]]:
    scanned: list[_Scanned] = []
    lost: list[_Chunk] = []
    for index, outcome in run_isolated(
        _scan_files,
        chunks,
        workers=workers,
        timeout_s=lambda _: _READ_TIMEOUT_S,
        memory_bytes=lambda _: _READ_MEMORY_BYTES,
    ):
        if isinstance(outcome, Loss):
            lost.append(chunks[index])
        else:
            scanned += outcome
    return scanned, lost


def _scan_files(files: _Chunk) -> list[_Scanned]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_scan_file(number, path) for number, path in files]


def _scan_file(number: int, path: Path) -> _Scanned:
    size = path.stat().st_size
    if size > _WHOLE_FILE_BYTES:
        raw, digest = b"", sha256_of_file(path)
    else:
        raw = path.read_bytes()
        digest = sha256_of_bytes(raw)
    row = FileRow(number, SET_ASIDE, None, digest, size)
    if not size:
        return _Scanned(replace(row, reason=ReasonCode.EMPTY_FILE.value), path)
    reason: ReasonCode | None
    features = facts = None
    try:
        scanned = scan_header(raw)
        view = None if scanned is None else view_of(scanned)
        if scanned is None or view is None:
            reason, features = _read_header(path)
        else:
            reason, features = _harvest(view, scanned.sop_class)
            facts = _quick_facts(scanned, size)
    except InvalidDicomError:
        reason = ReasonCode.NOT_DICOM
    except Exception:
        # pydicom raises many kinds on hostile bytes; whichever, the header is not usable.
        reason = ReasonCode.UNPARSABLE
    return _Scanned(replace(row, reason=reason.value if reason else None), path, features, facts)


def _quick_facts(scanned: ScannedHeader, size_bytes: int) -> PixelFacts | None:
    try:
        return facts_of_scan(scanned, size_bytes)
    except ValueError:
        return None


def _read_header(path: Path) -> tuple[ReasonCode | None, InstanceFeatures | None]:
    header = pydicom.dcmread(path, defer_size=_DEFER_BYTES)
    return _harvest(header, str(header.file_meta.get("MediaStorageSOPClassUID", "")))


def _harvest(header: Dataset, sop_class: str) -> tuple[ReasonCode | None, InstanceFeatures | None]:
    if sop_class == MediaStorageDirectoryStorage:
        return ReasonCode.SOP_CLASS_NOT_ADMITTED, None
    features = read_features(header)
    if not (features.sop_uid and features.series_uid and features.study_uid):
        return ReasonCode.MISSING_UID, None
    if features.rows is None and "PixelData" not in header:
        return ReasonCode.NO_PIXEL_DATA, None
    return None, features


def _without_repeats(scanned: Sequence[_Scanned]) -> list[_Scanned]:
    """Keep one file of equal twins; hold all files of a UID that names different bytes."""
    by_uid: dict[str, list[_Scanned]] = {}
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


def _held(scanned: _Scanned, reason: str) -> _Scanned:
    return _Scanned(replace(scanned.row, reason=reason), scanned.path)


def _jobs(usable: Sequence[_Scanned], dst: Path) -> list[SeriesJob]:
    of_uid = {s.features.sop_uid: s for s in usable if s.features and s.features.sop_uid}
    groups = group_by_series(s.features for s in usable if s.features is not None)
    jobs = []
    for members in groups.values():
        own = {m.sop_uid: of_uid[m.sop_uid] for m in members if m.sop_uid}
        known = {uid: KnownFile(s.row.sha256, s.facts) for uid, s in own.items() if s.row.sha256}
        paths = {uid: s.path for uid, s in own.items()}
        jobs.append(SeriesJob(paths, tuple(members), dst, known=known))
    return jobs


def _account(
    scanned: Sequence[_Scanned], jobs: Sequence[SeriesJob], volumes: Sequence[VolumeRecord]
) -> list[FileRow]:
    """Give every file its end; one that no volume knows is an error of ours, never silent."""
    record_of = {(r.series_uid, r.sub_stack_digest): r for r in volumes}
    end_of: dict[str, VolumeRecord] = {}
    for job in jobs:
        for stack in split_series(job.features):
            for m in stack.members:
                found = record_of.get((stack.series_uid, stack.digest))
                # A multi-frame file may end in several volumes: one published is its end.
                if m.sop_uid and found and (found.file_name or m.sop_uid not in end_of):
                    end_of[m.sop_uid] = found
    return [_final_row(s, end_of) for s in scanned]


def _final_row(scanned: _Scanned, end_of: dict[str, VolumeRecord]) -> FileRow:
    if scanned.features is None:
        return scanned.row
    record = end_of.get(scanned.features.sop_uid or "")
    if record is None:
        return replace(scanned.row, reason=Code.WORKER_FAILED.value)
    row = replace(scanned.row, sub_stack_digest=record.sub_stack_digest)
    if record.file_name is not None:
        return replace(row, state=CONVERTED)
    return replace(row, reason=next(c for c in record.codes if Code(c) not in REMARKS))


def count_files(result: FolderResult) -> dict[str, int]:
    """Return how many files ended in each state or for each reason; the sum is all files."""
    counts = Counter(row.reason or row.state for row in result.files)
    return dict(sorted(counts.items()))


def _files_table(rows: Sequence[FileRow]) -> pa.Table:
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=_FILE_SCHEMA)


_ARROW_OF = {
    "str": pa.string(),
    "str | None": pa.string(),
    "int": pa.int64(),
    "int | None": pa.int64(),
    "float | None": pa.float64(),
    "bool": pa.bool_(),
    "tuple[str, ...]": pa.list_(pa.string()),
    "tuple[float, ...]": pa.list_(pa.float64()),
}


def volumes_table(records: Sequence[VolumeRecord]) -> pa.Table:
    """Return records as a table with one column per field, sorted as given."""
    # The records module postpones annotations, so a field's type is its text.
    schema = pa.schema([pa.field(f.name, _ARROW_OF[str(f.type)]) for f in fields(VolumeRecord)])
    return pa.Table.from_pylist([asdict(record) for record in records], schema=schema)


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())
