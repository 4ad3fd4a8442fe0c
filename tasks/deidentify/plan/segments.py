"""What the walkers of compressed images share."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from tasks.deidentify.rules.encoder_notes import load_encoder_notes

#: Text does not come about by chance in so many bytes of coded numbers: once in 10^10 places.
_TEXT_RUN = re.compile(rb"[\x20-\x7e]{24,}")
_DISTINCT_LETTERS = 9


class BesideImageError(Exception):
    """Compressed bytes hold something that decoding does not need; says what, quotes nothing."""


@dataclass(frozen=True)
class Plane:
    """Shape and size of a frame, as the header states them."""

    rows: int
    columns: int
    size_bytes: int


class Segment(NamedTuple):
    """A marker, and what stands behind its length."""

    marker: int
    body: bytes

    def require(self, sizes: Collection[int]) -> None:
        """Refuse a segment that is longer or shorter than what decoding reads of it."""
        if len(self.body) not in sizes:
            raise BesideImageError(f"segment FF{self.marker:02X} of another length than it needs")


def require_note(segment: Segment) -> None:
    """Refuse a comment that is no known note of an encoder."""
    if not load_encoder_notes().know(segment.body):
        raise BesideImageError("a comment segment")


def refuse(marker: int) -> None:
    """Refuse a segment that decoding does not need."""
    raise BesideImageError(f"segment FF{marker:02X}")


def require_no_text(coded: bytes) -> None:
    """Refuse coded numbers with a run of letters in them that no coding makes."""
    for run in _TEXT_RUN.finditer(coded):
        if len(set(run.group())) >= _DISTINCT_LETTERS:
            raise BesideImageError("a run of letters among the coded numbers")
