"""Hand-overs of the release being made: in the memory of the one process that makes it.

As those of a batch, but of no batch: a release hands over all images of the cohort, to half a
dozen stages.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.handover.workbench import Handover, Workbench, told_missing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Folder of the scratch → what was left there, by its kind (restricted; never written).
_left: dict[Path, dict[type, Any]] = {}


class ReleaseBench(Workbench):
    """The scratch of a release; what a stage leaves is what the next one takes, not a copy.

    Records are frozen, and whoever changes a table or a mapping of one makes its own first.
    """

    def open(self) -> None:
        """Make the folder anew, and forget what an interrupted run left."""
        _left[self.folder] = {}
        super().open()

    def close(self) -> None:
        """Forget everything, and remove the folder: there were real dates in it."""
        _left.pop(self.folder, None)
        super().close()

    def leave(self, record: DataclassInstance) -> None:
        """Leave a stage's result for the stages after it, in place of one left before."""
        _left.setdefault(self.folder, {})[type(record)] = record

    def take(self, kind: type[Handover]) -> Handover:
        """Return what an earlier stage of this process left.

        Raises
        ------
        LivercohortError
            If that stage has not run.
        """
        found: Handover | None = _left.get(self.folder, {}).get(kind)
        if found is None:
            raise told_missing(kind, "release", "Make the release again: livercohort release")
        return found
