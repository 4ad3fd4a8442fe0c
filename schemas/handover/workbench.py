"""The scratch of one batch, and how one stage leaves its result for the next.

Stages hand over in the memory of the one process that runs a batch from start to end, so that a
Prefect task takes a site code and a batch id and nothing else: no object with a path or a name in
it ever becomes a flow or task parameter. Records are frozen, and whoever changes a table or a
mapping of one makes its own first. Exports are all received before the first is worked on, so
the files of each wait in a file.
"""

from __future__ import annotations

import pickle
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from schemas.errors import LivercohortError
from schemas.handover.records import ReceivedExport
from schemas.identifiers import BatchId, SiteCode
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Handover = TypeVar("Handover", bound=DataclassInstance)
else:
    Handover = TypeVar("Handover")

#: Folder of the batch that is worked on → what was left there, by its kind (restricted).
_left: dict[Path, dict[type, Any]] = {}


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
        _left.pop(self.folder, None)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)

    def close(self) -> None:
        """Remove the scratch of this batch."""
        _left.pop(self.folder, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    def leave(self, record: DataclassInstance) -> None:
        """Leave a stage's result for the stages after it, in place of one left before."""
        if isinstance(record, ReceivedExport):
            write_bytes(self._received, pickle.dumps(record), mode=0o600)
        self._forget_others()
        _left.setdefault(self.folder, {})[type(record)] = record

    def take(self, kind: type[Handover]) -> Handover:
        """Return what an earlier stage left: the record itself, no copy.

        Raises
        ------
        LivercohortError
            If that stage has not run for this batch.
        """
        found: Handover | None = _left.get(self.folder, {}).get(kind)
        if found is None and kind is ReceivedExport and self._received.is_file():
            # Our own file, in a zone only this user can write.
            found = cast("Handover", pickle.loads(self._received.read_bytes()))  # noqa: S301
            self._forget_others()
            _left.setdefault(self.folder, {})[kind] = found
        if found is None:
            hint = f"Run the whole night again: livercohort ingest {self.site}"
            raise told_missing(kind, f"batch {self.batch}", hint)
        return found

    @property
    def _received(self) -> Path:
        return self.folder / "received_export.pickle"

    def _forget_others(self) -> None:
        """Forget what a batch left that was worked on before: also one that was refused."""
        for folder in [folder for folder in _left if folder != self.folder]:
            del _left[folder]


def told_missing(kind: type, where: str, hint: str) -> LivercohortError:
    """Return the error about a hand-over that is not there."""
    found = f"no {_words(kind)} were handed over: the stage before has not ended"
    return LivercohortError(found, where=where, hint=hint)


def _words(kind: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", kind.__name__).lower()
