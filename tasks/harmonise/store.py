"""Labels for a folder of DICOM or a list of descriptions: reading and writing, nothing else."""

from __future__ import annotations

import logging
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from schemas.dicom.elements import is_dicom
from schemas.dicom.features import InstanceFeatures, read_features
from schemas.dicom.header_view import FeatureHarvest
from schemas.dicom.unlabelled_text import repair_texts
from schemas.errors import BadInputError
from schemas.records import CohortLabels, SeriesLabel
from schemas.run.folder_files import list_files
from schemas.run.pool import run_in_order
from schemas.run.work import Warm
from schemas.states import FileState, ReasonCode
from tasks.harmonise.exam import label_instances
from tasks.harmonise.review import QUEUE_COLUMNS
from tasks.harmonise.store_tables import Table, TableRow, read_table

#: Fewer are read sooner than workers start: a plain header takes .3 ms, workers half a second.
_FEW_FILES = 1024
#: Holds all before the pixels in nearly every file; the full parser reads the others.
_HEADER_BYTES = 1 << 18
_WARM = Warm(("tasks.harmonise.store",), in_server=("pydicom",))
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
    if workers <= 1 or len(numbered) <= _FEW_FILES:
        harvest = FeatureHarvest(repairs=True)
        yield from (_read_header(file_no, path, harvest) for file_no, path in numbered)
        return
    yield from run_in_order(
        _read_in_worker,
        numbered,
        workers=workers,
        on_death=_lost,
        together=lambda entry: entry[1].parent,
        warm=_WARM,
        start=(_start_worker, ()),
    )


_harvests: list[FeatureHarvest] = []


def _start_worker() -> None:
    _harvests[:] = [FeatureHarvest(repairs=True)]


def _read_in_worker(entry: tuple[int, Path]) -> FileReading:
    return _read_header(*entry, _harvests[0])


def _lost(entry: tuple[int, Path]) -> FileReading:
    return FileReading(entry[0], FileState.QUARANTINED, ReasonCode.STAGE_FAILED)


def _read_header(file_no: int, path: Path, harvest: FeatureHarvest) -> FileReading:
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return FileReading(file_no, FileState.QUARANTINED, ReasonCode.UNSAFE_PATH)
        if found.st_size == 0:
            return FileReading(file_no, FileState.QUARANTINED, ReasonCode.EMPTY_FILE)
        start = _read_start(path)
        if not is_dicom(start):
            # Nor would the full parser read it, which takes long to load.
            return FileReading(file_no, FileState.QUARANTINED, ReasonCode.NOT_DICOM)
        features = _plain_features(start, harvest) or _features_by_pydicom(path)
    except Exception:
        # pydicom raises many kinds on hostile bytes; whichever, the file is counted with a reason.
        return FileReading(file_no, FileState.QUARANTINED, ReasonCode.UNPARSABLE)
    if features.series_uid is None or features.sop_uid is None:
        return FileReading(file_no, FileState.QUARANTINED, ReasonCode.MISSING_UID)
    return FileReading(file_no, FileState.ACCEPTED, None, features)


def _read_start(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb", buffering=0) as stream:
        return stream.read(_HEADER_BYTES)


def _plain_features(start: bytes, harvest: FeatureHarvest) -> InstanceFeatures | None:
    """Return the features of a plain header; None where the full parser must read the file."""
    try:
        found = harvest.read(start)
    except Exception:
        # Hostile bytes: the full parser says what is wrong with them.
        return None
    return None if found is None else found[1]


def _features_by_pydicom(path: Path) -> InstanceFeatures:
    """Return the features by the full parser, which raises whatever hostile bytes provoke.

    Its warnings and messages quote header values, which may identify.
    """
    import pydicom
    from pydicom import config

    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    config.settings.reading_validation_mode = config.IGNORE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, stop_before_pixels=True)
        repair_texts(header)
        return read_features(header)


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
