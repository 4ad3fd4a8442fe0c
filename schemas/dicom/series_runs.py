"""Bytes that are alike in all files of a series, and the elements that stand between them.

A run is made of whole elements of a file that was scanned once. Where a run is there again,
byte by byte and at the place where an element begins, its elements are the same elements; so
a walk over the runs finds what a scan of the whole header would find.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.dicom.elements import (
    FIRST_ELEMENT,
    META_ENCODING,
    PIXEL_DATA,
    Encoding,
    Header,
    RawElement,
    Scanner,
    is_dicom,
)
from schemas.dicom.scan_errors import ScanError

_META_GROUP = 2


class Step(NamedTuple):
    """Bytes that must be there, then the tag of an element that may differ."""

    run: bytes
    tag: int


class Found(NamedTuple):
    """The differing elements of a file, file meta apart, and where the last one ends."""

    elements: dict[int, RawElement]
    end: int


@dataclass(frozen=True)
class Runs:
    """The runs of a series, from the preamble to the pixels (restricted: bytes of headers)."""

    encoding: Encoding
    tags: tuple[int, ...]
    differing: frozenset[int]
    by_tag: Mapping[int, bytes] = field(repr=False)
    steps: tuple[Step, ...] = field(repr=False)

    def find(self, data: bytes) -> Found | None:
        """Return the elements between the runs, None when anything else differs."""
        if not is_dicom(data):
            return None
        position, end = FIRST_ELEMENT, len(data)
        found: dict[int, RawElement] = {}
        meta, body = Scanner(data, META_ENCODING), Scanner(data, self.encoding)
        try:
            for run, tag in self.steps:
                if not data.startswith(run, position):
                    return None
                is_meta = tag >> 16 == _META_GROUP
                scanner = meta if is_meta else body
                element, position = scanner.element(position + len(run), end, 0)
                if element.tag != tag:
                    return None
                if not is_meta:
                    found[tag] = element
        except ScanError:
            return None
        return Found(found, position)

    @property
    def n_bytes(self) -> int:
        """Size of the runs."""
        return sum(len(run) for run, _ in self.steps)

    def changed(self, by_tag: Mapping[int, bytes]) -> set[int]:
        """Return the tags whose bytes are others in a file of the same tags."""
        return {tag for tag, raw in by_tag.items() if raw != self.by_tag[tag]}


def can_have_runs(data: bytes, header: Header) -> bool:
    """Return whether a file is laid out for runs: a preamble, no repeats, native pixels last."""
    tags = tags_of(header)
    pixels = header.elements.get(PIXEL_DATA)
    if not is_dicom(data) or pixels is None or pixels.undefined_length:
        return False
    return len(set(tags)) == len(tags) > 0 and tags[-1] == PIXEL_DATA


def tags_of(header: Header) -> tuple[int, ...]:
    """Return the tags of file meta and data set, in the order of the file."""
    return tuple(span.tag for span in header.spans)


def bytes_by_tag(data: bytes, header: Header) -> dict[int, bytes]:
    """Return each element as it stands in the file, pixels apart."""
    return {s.tag: data[s.start : s.end] for s in header.spans if s.tag != PIXEL_DATA}


def runs_of(header: Header, by_tag: Mapping[int, bytes], differing: Collection[int]) -> Runs:
    """Cut a scanned file into runs; the pixels always differ."""
    tags = tags_of(header)
    own = frozenset(tags) & {PIXEL_DATA, *differing}
    steps: list[Step] = []
    run: list[bytes] = []
    for tag in tags:
        if tag in own:
            steps.append(Step(b"".join(run), tag))
            run = []
        else:
            run.append(by_tag[tag])
    return Runs(header.encoding, tags, own, by_tag, tuple(steps))
