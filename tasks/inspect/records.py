"""What goes to a worker and what comes back: nothing that was read comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from schemas.identifiers import Sha256


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One instance: `spacing_mm` between rows and columns, None where not axial or not known."""

    sop_uid: str
    path: Path = field(repr=False)
    n_frames: int = 1
    spacing_mm: tuple[float, float] | None = None


@dataclass(frozen=True)
class InspectJob:
    """One series (restricted: `words` are the person's own).

    `draw` is keyed: which image is the sample. With `every_frame` each image is looked at.
    """

    files: tuple[ImageFile, ...]
    draw: int
    every_frame: bool
    words: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def n_images(self) -> int:
        """Images, frames counted one by one."""
        return sum(file.n_frames for file in self.files)


@dataclass(frozen=True)
class FoundBox:
    """Where text was read, in pixels of the stored image.

    `seen_in` is the projection or the file where it was read for surest, `also_in` every other:
    a box put together from several must not hide that text stands in an image nobody looked at.
    """

    seen_in: str
    x: int
    y: int
    width: int
    height: int
    confidence: float
    of_person: bool
    also_in: frozenset[str] = frozenset()

    @property
    def views(self) -> frozenset[str]:
        """Every projection and file in which something was read here."""
        return self.also_in | {self.seen_in}


@dataclass(frozen=True, slots=True)
class PixelsOfFile:
    """Content of the pixels of one instance, and whether two persons cannot share it by chance."""

    sop_uid: str
    content: Sha256
    tells_apart: bool


@dataclass(frozen=True)
class Looked:
    """What looking at a series gave."""

    boxes: tuple[FoundBox, ...]
    n_marks: int
    n_views: int
    head_sections: int
    rows: int
    columns: int
    pixels: tuple[PixelsOfFile, ...]
