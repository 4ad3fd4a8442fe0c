"""The scratch of one batch, and how one stage leaves its result for the next.

Stages hand over through files of the closed scratch zone, so that a Prefect task takes a site
code and a batch id and nothing else: no object with a path or a name in it ever becomes a
flow or task parameter.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from schemas.errors import LivercohortError
from schemas.handover.record_bytes import Handover, from_bytes, to_bytes
from schemas.handover.records import SettledImages
from schemas.identifiers import BatchId, SiteCode
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Workbench:
    """Folders of one running batch below `work/` (mode 0700, deleted when the batch ends)."""

    zones: Zones
    site: SiteCode
    batch: BatchId

    @property
    def folder(self) -> Path:
        """Everything of this batch."""
        return self.zones.work / f"{self.site}-{self.batch}"

    @property
    def dicom(self) -> Path:
        """De-identified instances, not yet released to the warehouse."""
        return self.folder / "dicom"

    @property
    def nifti(self) -> Path:
        """Volumes, one folder per series."""
        return self.folder / "nifti"

    @property
    def tables(self) -> Path:
        """The batch's tables, as they will be committed."""
        return self.folder / "tables"

    @property
    def scratch(self) -> Path:
        """Fresh folders for converters."""
        return self.folder / "scratch"

    def open(self) -> None:
        """Make the folder anew: what an interrupted run left is thrown away."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)

    def close(self) -> None:
        """Remove the scratch of this batch."""
        _remembered.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def leave(self, record: DataclassInstance) -> None:
        """Leave a stage's result for the stages after it, in place of one left before."""
        write_bytes(self._place(type(record)), to_bytes(record), mode=0o600)

    def take(self, kind: type[Handover]) -> Handover:
        """Return what an earlier stage left.

        Raises
        ------
        LivercohortError
            If that stage has not run for this batch.
        """
        path = self._place(kind)
        if not path.is_file():
            hint = f"Run the whole night again: livercohort ingest {self.site}"
            raise told_missing(kind, f"batch {self.batch}", hint)
        known = _remembered.get(path)
        if known is not None and known.stamp == _stamp(path) and kind is SettledImages:
            return cast("Handover", _own(known.record))
        record = from_bytes(path.read_bytes(), kind)
        if isinstance(record, SettledImages):
            _remember(path, record)
        return record

    def _place(self, kind: type) -> Path:
        return self.folder / "handover" / f"{_words(kind).replace(' ', '_')}.zip"


class _Remembered(NamedTuple):
    stamp: tuple[int, ...]
    record: SettledImages


#: What nearly every stage of a batch takes, as long as its file is the same: to read it anew each
#: time costs more than most of them. The file is the truth, also for another process.
_remembered: dict[Path, _Remembered] = {}


def _remember(place: Path, record: SettledImages) -> None:
    _remembered.clear()
    _remembered[place] = _Remembered(_stamp(place), _own(record))


def _own(record: SettledImages) -> SettledImages:
    """Return the record with a mapping that its taker may change; outcomes cannot be."""
    return replace(record, held=dict(record.held))


def _stamp(path: Path) -> tuple[int, ...]:
    info = path.stat()
    return (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)


def told_missing(kind: type, where: str, hint: str) -> LivercohortError:
    """Return the error about a hand-over that is not there."""
    found = f"no {_words(kind)} were handed over: the stage before has not ended"
    return LivercohortError(found, where=where, hint=hint)


def _words(kind: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", kind.__name__).lower()
