"""Labels for a folder of DICOM or a list of descriptions: reading and writing, nothing else."""

from __future__ import annotations

import logging
import stat
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, fields
from multiprocessing import get_context
from pathlib import Path

import pydicom
from pydicom import config
from pydicom.errors import InvalidDicomError

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.errors import BadInputError
from schemas.records import CohortLabels, SeriesLabel
from schemas.run.folder_files import list_files
from schemas.states import FileState, ReasonCode
from tasks.harmonise.exam import label_instances
from tasks.harmonise.review import QUEUE_COLUMNS
from tasks.harmonise.store_tables import Table, TableRow, read_table
from tasks.harmonise.unlabelled_text import repair_texts

_CHUNK = 64
SERIES_COLUMNS = tuple(column.name for column in fields(SeriesLabel))


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
        A folder; every regular file below it is read, whatever its name. Links and devices
        are set aside, wherever they lead.
    workers : int
        Processes that read headers.

    Raises
    ------
    BadInputError
        If `src` is no folder. Unreadable files are counted with a reason, never raised.
    """
    if not src.is_dir():
        raise BadInputError("not a folder", expected="a folder of DICOM files")
    files = tuple(_read_headers(list_files(src), workers))
    features = [f.features for f in files if f.features is not None]
    return FolderLabels(label_instances(features), files)


def _read_headers(numbered: Sequence[tuple[int, Path]], workers: int) -> Iterator[FileReading]:
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
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return FileReading(file_no, FileState.QUARANTINED, ReasonCode.UNSAFE_PATH)
        if found.st_size == 0:
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


def read_queue(path: Path) -> tuple[TableRow, ...]:
    """Read a review queue that a person filled in; see `store_tables.read_table` for errors."""
    return read_table(path, QUEUE_COLUMNS).rows


def series_rows(labels: CohortLabels) -> list[dict[str, object]]:
    """Return one mapping per sub-stack, lists kept as lists."""
    return [asdict(label) for label in labels.series]


def read_strings(path: Path) -> Table:
    """Read descriptions to label: columns `description`, and `vendor`, `modality` if known.

    See `store_tables.read_table` for errors.
    """
    return read_table(path, ("description",))
