"""The searcher of the benchmarks: planted values in bytes, in all encodings; not our scanner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
from pydicom import dcmread
from pydicom.datadict import keyword_for_tag

CODECS = ("utf-8", "gb18030", "utf-16-le", "utf-16-be", "big5")
#: Shorter patterns occur in numbers by chance.
SHORTEST_PATTERN = 4
_PIXELS, _META_END = 0x7FE00010, 132


@dataclass(frozen=True, order=True)
class Planted:
    """A value that the simulator planted, of whom, and of what kind."""

    site: str
    subject_no: str
    kind: str
    value: str


def read_planted(delivery: Path) -> list[Planted]:
    """Return the values of the answer key that may stand nowhere; dates are scored apart."""
    rows = pq.read_table(delivery / "answer_key" / "identifiers.parquet").to_pylist()
    keep = (r for r in rows if r["scope"] == "everywhere" and len(r["value"]) >= 2)
    return sorted({Planted(r["site"], r["subject_no"], r["kind"], r["value"]) for r in keep})


def patterns_of(value: str) -> frozenset[bytes]:
    """Return a value's bytes in every encoding, ISO 2022 IR 58 with and without escapes."""
    found = set()
    for codec in CODECS:
        try:
            found.add(value.encode(codec))
        except UnicodeEncodeError:
            continue
    if not value.isascii():
        found.add(b"\x1b$)A" + value.encode("gb18030"))
        found.add(bytes(b & 0x7F for b in value.encode("gb18030") if b > 0x7F))
    return frozenset(p for p in found if len(p) >= SHORTEST_PATTERN)


def without_pixels(data: bytes) -> bytes:
    """Return a DICOM file without the value of its pixels, as pydicom finds them."""
    try:
        pixels = dcmread(BytesIO(data), force=True).get_item(_PIXELS)
    except Exception:
        # What pydicom cannot read is searched whole: that can only add hits, whichever the tool.
        return data
    return data if pixels is None else data.replace(bytes(pixels.value or b"\0"), b"")


def hits(
    data: bytes, values: Iterable[tuple[Planted, frozenset[bytes]]]
) -> Iterator[tuple[Planted, int]]:
    """Yield each planted value found, once per place it starts at."""
    for planted, patterns in values:
        for pattern in patterns:
            at = data.find(pattern)
            while at >= 0:
                yield planted, at
                at = data.find(pattern, at + 1)


def places(data: bytes) -> list[tuple[int, str]]:
    """Return where each top-level element begins, by pydicom, and what it is called."""
    found = [(0, "preamble"), (_META_END, "file meta")]
    for element in dcmread(BytesIO(data), force=True, stop_before_pixels=True).values():
        tag = int(element.tag)
        tell = getattr(element, "value_tell", None) or getattr(element, "file_tell", None) or 0
        private = f"private ({tag >> 16:04X},xx{tag & 0xFF:02X})"
        found.append((tell, private if tag >> 16 & 1 else keyword_for_tag(tag) or f"{tag:08X}"))
    return sorted(found)
