"""What became of a folder: one row per file, and counts of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.identifiers import Sha256

if TYPE_CHECKING:
    from schemas.records import VolumeRecord

CONVERTED, SET_ASIDE = "converted", "set_aside"


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
    """What became of a folder: one row per file, one record per sub-stack.

    `removed` counts volumes of an earlier run that the folder no longer gives.
    """

    files: tuple[FileRow, ...]
    volumes: tuple[VolumeRecord, ...]
    removed: int = 0


@dataclass(frozen=True)
class FolderCounts:
    """How many files ended in each state or for each reason, and how many volumes there are."""

    files: Mapping[str, int]
    n_files: int
    sub_stacks: int
    volumes: int
    removed: int


def count_folder(result: FolderResult) -> FolderCounts:
    """Return the counts of a result."""
    published = sum(volume.file_name is not None for volume in result.volumes)
    return FolderCounts(
        count_files(result), len(result.files), len(result.volumes), published, result.removed
    )


def count_files(result: FolderResult) -> dict[str, int]:
    """Return how many files ended in each state or for each reason; the sum is all files."""
    counts = Counter(row.reason or row.state for row in result.files)
    return dict(sorted(counts.items()))
