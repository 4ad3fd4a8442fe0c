"""Facts of the pixels of one file after another; one like a file before costs little.

What `facts_of_scan` says follows from the attributes that it reads. Where a header has the same
bytes in all of them as one that was read whole, only its UID and the place of its pixels are new.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from schemas.dicom.elements import encoding_of
from schemas.dicom.header_scan import ScannedHeader, scan_header
from schemas.dicom.known_header import KnownHeader
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
    """Facts of many headers that a `FeatureHarvest` read."""

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
        found = _noted(scanned, likeness.known, size_bytes)
        if found is None:
            return None
        # Only then are they those of the header that was read whole, too.
        if found.depends_on.isdisjoint(likeness.changed):
            self._known[id(likeness.known)] = found
        return found.facts


class SeriesFacts:
    """Facts of the files of one series, where nothing else is read from their headers."""

    def __init__(self) -> None:
        self._known: tuple[KnownHeader, _Known] | None = None

    def read(self, start: bytes, size_bytes: int) -> PixelFacts | None:
        """Return the facts from header bytes alone, or None when the full parser must read them.

        Parameters
        ----------
        start : bytes
            The first bytes of the file.
        size_bytes : int
            Size of the file.
        """
        try:
            return self._read(start, size_bytes)
        except ValueError:
            return None

    def _read(self, start: bytes, size_bytes: int) -> PixelFacts | None:
        if self._known is not None:
            header, known = self._known
            followed = header.follow(start)
            if followed is not None and known.depends_on.isdisjoint(followed.changed):
                like = known.header
                found = ScannedHeader(start, followed.places, like.private, like.syntax)
                return _like(known, found, size_bytes)
        scanned = scan_header(start)
        if scanned is None:
            return None
        found_whole = _noted(scanned, replace(scanned, start=b""), size_bytes)
        if found_whole is None:
            return None
        encoding = encoding_of(scanned.syntax)
        self._known = KnownHeader(start, scanned.places.values(), encoding), found_whole
        return found_whole.facts


def _noted(scanned: ScannedHeader, known: ScannedHeader, size_bytes: int) -> _Known | None:
    """Read facts, and take note of the attributes that they follow from."""
    noted = _NotedHeader(scanned.start, scanned.places, scanned.private, scanned.syntax)
    facts = facts_of_scan(noted, size_bytes)
    if facts is None:
        return None
    n_bytes = facts.rows * facts.columns * np.dtype(facts.dtype).itemsize
    return _Known(known, facts, frozenset(noted.read - {SOP_UID}), n_bytes)


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
