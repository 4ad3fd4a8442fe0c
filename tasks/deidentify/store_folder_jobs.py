"""The files below a folder as jobs, each made when it is asked for."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from schemas.errors import BadInputError
from tasks.deidentify.job_records import Job


@dataclass(frozen=True, slots=True)
class FolderJobs(Sequence[Job]):
    """Jobs numbered from `first` on; what is kept of a file is its path and size (restricted)."""

    first: int
    paths: Sequence[str] = field(repr=False)
    sizes: Sequence[int] = field(repr=False)

    @classmethod
    def below(cls, src: Path) -> FolderJobs:
        """Return all below a folder that is no folder, links among them, sorted part by part.

        Raises
        ------
        BadInputError
            If a folder cannot be listed.
        """
        paths, sizes = list[str](), array("q")
        for entry in _files_below(str(src)):
            paths.append(entry.path)
            sizes.append(entry.stat(follow_symlinks=False).st_size)
        return cls(1, paths, sizes)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, place: int) -> Job: ...
    @overload
    def __getitem__(self, place: slice) -> FolderJobs: ...
    def __getitem__(self, place: int | slice) -> Job | FolderJobs:
        if isinstance(place, slice):
            begin = range(len(self))[place].start
            return FolderJobs(self.first + begin, self.paths[place], self.sizes[place])
        number = range(self.first, self.first + len(self))[place]
        return Job(number, self.paths[place], self.sizes[place])


def _files_below(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise BadInputError(
            f"a folder below the source cannot be listed: {error.strerror}",
            hint="Give yourself the right to read it: no file may be left out silently.",
        ) from None
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path)
        else:
            yield entry
