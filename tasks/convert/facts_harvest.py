"""Facts of the pixels of one file after another; one like a file before costs little.

What `facts_of_scan` says follows from the attributes that it reads. Where a header has the same
bytes in all of them as one that was read whole, only its UID and the place of its pixels are new.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from schemas.dicom.header_scan import ScannedHeader
from tasks.convert.header_scan import SOP_UID
from tasks.convert.source import PixelFacts, facts_of_scan, problem_of_scan, sop_uid_of_scan


@dataclass(frozen=True)
class _NotedHeader(ScannedHeader):
    """Takes note of which attributes are read."""

    read: set[int] = field(default_factory=set)

    def element(self, tag: int) -> tuple[str, bytes]:
        self.read.add(tag)
        return super().element(tag)


class _Known(NamedTuple):
    header: ScannedHeader
    facts: PixelFacts
    depends_on: frozenset[int]
    n_bytes: int


class FactsHarvest:
    """Facts of many files, those of one series most likely one after another."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def read(self, scanned: ScannedHeader, size_bytes: int) -> PixelFacts | None:
        """Return what `facts_of_scan` gives; ValueError or None as there.

        Parameters
        ----------
        scanned : ScannedHeader
            From a `FeatureHarvest`.
        size_bytes : int
            Size of the file.
        """
        likeness = scanned.likeness
        if likeness is None:
            return facts_of_scan(scanned, size_bytes)
        known = self._known.get(id(likeness.known))
        if known is not None and known.depends_on.isdisjoint(likeness.changed):
            return _like(known, scanned, size_bytes)
        noted = _NotedHeader(scanned.start, scanned.places, scanned.private, scanned.syntax)
        facts = facts_of_scan(noted, size_bytes)
        depends_on = frozenset(noted.read - {SOP_UID})
        # Only then are they those of the header that was read whole, too.
        if facts is not None and depends_on.isdisjoint(likeness.changed):
            n_bytes = facts.rows * facts.columns * np.dtype(facts.dtype).itemsize
            self._known[id(likeness.known)] = _Known(likeness.known, facts, depends_on, n_bytes)
        return facts


def _like(known: _Known, scanned: ScannedHeader, size_bytes: int) -> PixelFacts | None:
    sop_uid = sop_uid_of_scan(scanned)
    if sop_uid is None:
        return None
    return replace(
        known.facts,
        sop_uid=sop_uid,
        problem=problem_of_scan(scanned, known.n_bytes, size_bytes),
        offset=scanned.pixel_offset,
    )
