"""The scratch of one batch, and how one stage leaves its result for the next.

Stages hand over through files of the closed scratch zone, so that a Prefect task takes a site
code and a batch id and nothing else: no object with a path or a name in it ever becomes a
flow or task parameter.
"""

from __future__ import annotations

import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import LivercohortError
from schemas.identifiers import BatchId, SiteCode
from schemas.run.atomic_files import write_bytes
from schemas.run.zones import Zones


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
        shutil.rmtree(self.folder, ignore_errors=True)

    def put(self, name: str, value: object) -> None:
        """Leave a stage's result for the next stage."""
        write_bytes(self._path(name), pickle.dumps(value), mode=0o600)

    def get(self, name: str) -> Any:
        """Return what an earlier stage left.

        Raises
        ------
        LivercohortError
            If that stage has not run for this batch.
        """
        path = self._path(name)
        if not path.is_file():
            raise LivercohortError(
                f"stage `{name}` has left nothing",
                where=f"batch {self.batch}",
                hint=f"Run the whole night again: livercohort ingest {self.site}",
            )
        # Our own file, in a zone only this user can write.
        return pickle.loads(path.read_bytes())  # noqa: S301

    def _path(self, name: str) -> Path:
        return self.folder / "handover" / f"{name}.pickle"
