"""Labels for a folder of DICOM or a list of descriptions: reading and writing, nothing else."""

from __future__ import annotations

import csv
import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, fields
from io import StringIO
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
from pydicom import config
from pydicom.errors import InvalidDicomError

from schemas.atomic_files import write_bytes
from schemas.charsets import decode_table_text
from schemas.errors import BadInputError
from schemas.features import InstanceFeatures, read_features
from schemas.records import CohortLabels, SeriesLabel
from schemas.states import FileState, ReasonCode
from tasks.harmonise.exam import label_instances
from tasks.harmonise.review import QUEUE_COLUMNS
from tasks.harmonise.text import StringLabel
from tasks.harmonise.unlabelled_text import repair_texts

_CHUNK = 64
_STRING_COLUMNS = ("description", "vendor", "modality")
_LIST_SEPARATOR = "; "
_ARROW_TYPES: Mapping[str, pa.DataType] = {
    "n_slices": pa.int32(),
    "n_missing_slices": pa.int32(),
    "required_for_protocol": pa.bool_(),
    "label_evidence": pa.list_(pa.string()),
} | {
    name: pa.float64()
    for name in (
        "slice_thickness_mm",
        "spacing_between_slices_mm",
        "slice_gap_mm",
        "thickness_limit_mm",
        "field_strength_t",
        "acquisition_time_offset_s",
    )
}


@dataclass(frozen=True)
class FileReading:
    """What became of one file of a folder: read, or set aside with a reason.

    `file_no` is the place of the file among the sorted relative paths, from 1.
    """

    file_no: int
    state: FileState
    reason: ReasonCode | None = None
    features: InstanceFeatures | None = field(default=None, repr=False)


@dataclass(frozen=True)
class FolderLabels:
    """Labels of a folder and the account of its files."""

    labels: CohortLabels
    files: tuple[FileReading, ...]


def label_folder(src: Path, *, workers: int = 1) -> FolderLabels:
    """Label a folder of DICOM, raw or de-identified.

    Parameters
    ----------
    src : Path
        A folder; every regular file below it is read, whatever its name. Links are not
        followed.
    workers : int
        Processes that read headers.

    Raises
    ------
    BadInputError
        If `src` is no folder. Unreadable files are counted with a reason, never raised.
    """
    if not src.is_dir():
        raise BadInputError("not a folder", expected="a folder of DICOM files")
    files = tuple(_read_headers(_files_below(src), workers))
    features = [f.features for f in files if f.features is not None]
    return FolderLabels(label_instances(features), files)


def _files_below(src: Path) -> list[Path]:
    found = [
        Path(folder) / name
        for folder, _, names in os.walk(src, followlinks=False)
        for name in names
    ]
    regular = (path for path in found if path.is_file() and not path.is_symlink())
    return sorted(regular, key=lambda path: os.fsencode(path.relative_to(src)))


def _read_headers(paths: Sequence[Path], workers: int) -> Iterator[FileReading]:
    numbered = list(enumerate(paths, start=1))
    chunks = [numbered[i : i + _CHUNK] for i in range(0, len(numbered), _CHUNK)]
    if workers <= 1 or len(chunks) < 2:
        for chunk in chunks:
            yield from _read_chunk(chunk)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        futures = [pool.submit(_read_chunk, chunk) for chunk in chunks]
        for chunk, future in zip(chunks, futures, strict=True):
            try:
                yield from future.result()
            except BrokenProcessPool:
                for entry in chunk:
                    yield _read_apart(entry)


def _read_apart(entry: tuple[int, Path]) -> FileReading:
    # A file that ended a worker is read alone, so that only it is lost.
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        try:
            return pool.submit(_read_chunk, [entry]).result()[0]
        except BrokenProcessPool:
            return FileReading(entry[0], FileState.QUARANTINED, ReasonCode.STAGE_FAILED)


def _read_chunk(chunk: Sequence[tuple[int, Path]]) -> list[FileReading]:
    # Warnings and messages of the reader quote header values, which may identify.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    config.settings.reading_validation_mode = config.IGNORE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_read_header(file_no, path) for file_no, path in chunk]


def _read_header(file_no: int, path: Path) -> FileReading:
    try:
        if path.stat().st_size == 0:
            return FileReading(file_no, FileState.QUARANTINED, ReasonCode.EMPTY_FILE)
        header = pydicom.dcmread(path, stop_before_pixels=True)
        repair_texts(header)
        features = read_features(header)
    except InvalidDicomError:
        return FileReading(file_no, FileState.QUARANTINED, ReasonCode.NOT_DICOM)
    except Exception:
        # pydicom raises many kinds on hostile bytes; whichever, the file is counted with a reason.
        return FileReading(file_no, FileState.QUARANTINED, ReasonCode.UNPARSABLE)
    if features.series_uid is None or features.sop_uid is None:
        return FileReading(file_no, FileState.QUARANTINED, ReasonCode.MISSING_UID)
    return FileReading(file_no, FileState.ACCEPTED, None, features)


def features_of_folder(src: Path) -> list[InstanceFeatures]:
    """Return the features of a folder of DICOM; files that cannot be read are left out."""
    return [f.features for f in label_folder(src).files if f.features is not None]


def read_queue_csv(path: Path) -> list[dict[str, str]]:
    """Read a review queue that a person filled in.

    Raises
    ------
    BadInputError
        If the file cannot be read or has other columns.
    """
    try:
        reader = csv.DictReader(StringIO(_decode(path.read_bytes()), newline=""))
    except OSError as error:
        raise BadInputError("the file cannot be read") from error
    if not set(QUEUE_COLUMNS) <= set(reader.fieldnames or ()):
        raise BadInputError("other columns", expected=", ".join(QUEUE_COLUMNS))
    return [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in reader]


def series_rows(labels: CohortLabels) -> list[dict[str, object]]:
    """Return one mapping per sub-stack, lists kept as lists."""
    return [asdict(label) for label in labels.series]


def write_labels_parquet(labels: CohortLabels, path: Path) -> None:
    """Write one row per sub-stack as Parquet, with the types of the series table."""
    schema = pa.schema(
        [(f.name, _ARROW_TYPES.get(f.name, pa.string())) for f in fields(SeriesLabel)]
    )
    table = pa.Table.from_pylist([_plain(row) for row in series_rows(labels)], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_bytes(path, sink.getvalue().to_pybytes())


def write_labels_csv(labels: CohortLabels, path: Path) -> None:
    """Write one row per sub-stack as CSV; evidence joined by semicolons."""
    rows = [
        {k: _LIST_SEPARATOR.join(v) if isinstance(v, list | tuple) else v for k, v in row.items()}
        for row in map(_plain, series_rows(labels))
    ]
    _write_csv([f.name for f in fields(SeriesLabel)], rows, path)


def read_strings_csv(path: Path) -> list[dict[str, str]]:
    """Read descriptions to label: columns `description`, and `vendor`, `modality` if known.

    Raises
    ------
    BadInputError
        If the file is not CSV in UTF-8 or GB18030, or has no column `description`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInputError("the file cannot be read") from error
    reader = csv.DictReader(StringIO(_decode(content), newline=""))
    if "description" not in (reader.fieldnames or ()):
        raise BadInputError(
            "no column `description`", expected=f"columns {', '.join(_STRING_COLUMNS)}"
        )
    return [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in reader]


def write_string_labels_csv(
    rows: Sequence[Mapping[str, str]], labels: Sequence[StringLabel], path: Path
) -> None:
    """Write the rows as they came with `label`, `tier` and `evidence` added."""
    columns = list(rows[0]) if rows else list(_STRING_COLUMNS)
    added = [
        {**row, "label": s.label, "tier": s.tier, "evidence": _LIST_SEPARATOR.join(s.evidence)}
        for row, s in zip(rows, labels, strict=True)
    ]
    names = [c for c in columns if c not in ("label", "tier", "evidence")]
    _write_csv([*names, "label", "tier", "evidence"], added, path)


def _decode(content: bytes) -> str:
    decoded = decode_table_text(content)
    if decoded is None:
        raise BadInputError("text that is neither UTF-8 nor GB18030")
    return decoded[0]


def _plain(row: Mapping[str, object]) -> dict[str, object]:
    return {k: str(v) if isinstance(v, str) else v for k, v in row.items()}


def _write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]], path: Path) -> None:
    stream = StringIO(newline="")
    writer = csv.DictWriter(stream, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, stream.getvalue().encode("utf-8"))
