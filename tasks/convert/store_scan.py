"""Read the headers of a folder in workers that may die."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.dicom.elements import is_dicom
from schemas.dicom.features import InstanceFeatures, read_features
from schemas.dicom.header_scan import ScannedHeader
from schemas.dicom.header_view import FeatureHarvest
from schemas.native.hash_streams import sha256_of_each
from schemas.run.atomic_files import sha256_of_file
from schemas.run.pool import Loss, preload, run_isolated
from schemas.states import ReasonCode
from tasks.convert.facts_harvest import FactsHarvest
from tasks.convert.folder_rows import SET_ASIDE, FileRow
from tasks.convert.source import PixelFacts
from tasks.convert.warm import WARM

_FILES_PER_CHUNK = 256
_READ_TIMEOUT_S = 15.0
_READ_BYTES_PER_S = 20e6
_READ_MEMORY_BYTES = 2 << 30
_DEFER_BYTES = 1024
#: Larger files are hashed in pieces, and their headers are left to the full parser.
_WHOLE_FILE_BYTES = 64 << 20
#: Two files are hashed in little more than the time of one.
_HASHED_TOGETHER = 2
_KEPT_BYTES = 8 << 20
_DICOM_DIRECTORY = "1.2.840.10008.1.3.10"  # PS3.6 table A-1


@dataclass(frozen=True)
class ScannedFile:
    """One file of the folder: its row so far, and what its header says if it is usable.

    `is_odd` says that the full parser must read it.
    """

    row: FileRow
    path: Path
    features: InstanceFeatures | None = None
    facts: PixelFacts | None = None
    is_odd: bool = False


def read_headers(files: Sequence[tuple[int, Path]], workers: int) -> list[ScannedFile]:
    """Read all headers in workers that may die; a chunk that is lost is read file by file.

    Plain headers come first. Only if there are others pydicom is loaded, once, before the
    workers that need it are forked.
    """
    scanned, lost = _scan_chunks(_scan_files, _chunks(files), workers)
    odd = {s.row.file_no for s in scanned if s.is_odd}
    rest = [item for item in files if item[0] in odd] + [item for chunk in lost for item in chunk]
    result = [s for s in scanned if not s.is_odd]
    if rest:
        preload("pydicom", "pydicom.pixels.utils")
        parsed, lost = _scan_chunks(_parse_files, _chunks(sorted(rest)), workers)
        alone, hopeless = _scan_chunks(
            _parse_files, [[item] for chunk in lost for item in chunk], workers
        )
        result += parsed + alone
        for ((number, path),) in hopeless:
            row = FileRow(number, SET_ASIDE, ReasonCode.UNPARSABLE.value, None, path.stat().st_size)
            result.append(ScannedFile(row, path))
    return sorted(result, key=lambda s: s.row.file_no)


def _chunks(files: Sequence[tuple[int, Path]]) -> list[_Chunk]:
    return [files[i : i + _FILES_PER_CHUNK] for i in range(0, len(files), _FILES_PER_CHUNK)]


_Chunk = Sequence[tuple[int, Path]]


def _scan_chunks(
    read: Callable[[_Chunk], list[ScannedFile]], chunks: Sequence[_Chunk], workers: int
) -> tuple[list[ScannedFile], list[_Chunk]]:
    scanned: list[ScannedFile] = []
    lost: list[_Chunk] = []
    for index, outcome in run_isolated(
        read,
        chunks,
        workers=workers,
        warm=WARM,
        timeout_s=_time_limit_s,
        memory_bytes=lambda _: _READ_MEMORY_BYTES,
    ):
        if isinstance(outcome, Loss):
            lost.append(chunks[index])
        else:
            scanned += outcome
    return scanned, lost


def _time_limit_s(chunk: _Chunk) -> float:
    return _READ_TIMEOUT_S + sum(p.stat().st_size for _, p in chunk[1:]) / _READ_BYTES_PER_S


def _scan_files(files: _Chunk) -> list[ScannedFile]:
    harvest, facts = FeatureHarvest(), FactsHarvest()
    found = []
    # Once so much was freed at once, glibc keeps less than that for the next files, and does not
    # give it back and fetch it anew for each (mallopt(3), M_MMAP_THRESHOLD). No page is touched.
    bytes(_KEPT_BYTES)
    for at in range(0, len(files), _HASHED_TOGETHER):
        some = files[at : at + _HASHED_TOGETHER]
        read = [(number, path, _read_file(path)) for number, path in some]
        digests = sha256_of_each([raw for _, _, (_, raw) in read])
        for (number, path, (size, raw)), digest in zip(read, digests, strict=True):
            whole = sha256_of_file(path) if size > len(raw) else digest
            row = FileRow(number, SET_ASIDE, None, whole, size)
            found.append(_scan_file(row, path, raw, harvest, facts))
    return found


def _read_file(path: Path) -> tuple[int, bytes]:
    """Return the size of a file, and its bytes where they are few enough to be held."""
    size = path.stat().st_size
    return size, path.read_bytes() if size <= _WHOLE_FILE_BYTES else b""


def _scan_file(
    row: FileRow, path: Path, raw: bytes, harvest: FeatureHarvest, facts_of: FactsHarvest
) -> ScannedFile:
    if not row.size_bytes:
        return ScannedFile(replace(row, reason=ReasonCode.EMPTY_FILE.value), path)
    if raw and not is_dicom(raw):
        # Nor would the full parser read it, which takes long to load.
        return ScannedFile(replace(row, reason=ReasonCode.NOT_DICOM.value), path)
    try:
        found = harvest.read(raw)
    except Exception:
        # Hostile bytes: the full parser says what is wrong with them.
        found = None
    facts = None if found is None else _quick_facts(found[0], len(raw), facts_of)
    if found is None or facts is None:
        return ScannedFile(row, path, is_odd=True)
    scanned, features = found
    reason, usable = _judge(features, scanned.sop_class, has_pixels=True)
    if reason is not None:
        row = replace(row, reason=reason.value)
    return ScannedFile(row, path, usable, facts)


def _parse_files(files: _Chunk) -> list[ScannedFile]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_parse_file(number, path) for number, path in files]


def _parse_file(number: int, path: Path) -> ScannedFile:
    row = FileRow(number, SET_ASIDE, None, sha256_of_file(path), path.stat().st_size)
    reason, features = _read_with_pydicom(path)
    return ScannedFile(replace(row, reason=reason.value if reason else None), path, features)


def _quick_facts(
    scanned: ScannedHeader, size_bytes: int, facts_of: FactsHarvest
) -> PixelFacts | None:
    try:
        return facts_of.read(scanned, size_bytes)
    except ValueError:
        return None


def _read_with_pydicom(path: Path) -> tuple[ReasonCode | None, InstanceFeatures | None]:
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        header = pydicom.dcmread(path, defer_size=_DEFER_BYTES)
        sop_class = str(header.file_meta.get("MediaStorageSOPClassUID", ""))
        return _judge(read_features(header), sop_class, has_pixels="PixelData" in header)
    except InvalidDicomError:
        return ReasonCode.NOT_DICOM, None
    except Exception:
        # pydicom raises many kinds on hostile bytes; whichever, the header is not usable.
        return ReasonCode.UNPARSABLE, None


def _judge(
    features: InstanceFeatures, sop_class: str, *, has_pixels: bool
) -> tuple[ReasonCode | None, InstanceFeatures | None]:
    if sop_class == _DICOM_DIRECTORY:
        return ReasonCode.SOP_CLASS_NOT_ADMITTED, None
    if not (features.sop_uid and features.series_uid and features.study_uid):
        return ReasonCode.MISSING_UID, None
    if features.rows is None and not has_pixels:
        return ReasonCode.NO_PIXEL_DATA, None
    return None, features
