"""The listing of held series: what the inspection leaves for the review desk (restricted).

`restricted/quarantine/<SITE>/<BATCH>/held_series.json`, mode 0600: which quarantined files are
one series, and where something was read in them. Never what was read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from schemas.pixel_decisions import Box
from schemas.run.atomic_files import canonical_json
from schemas.states import ReasonCode

LISTING_NAME = "held_series.json"
#: Beside it: what the review desk read of the headers, keyed; made anew where it is missing.
INDEX_NAME = "index.json"
#: Views of a whole series: the least, the greatest, the mean value of each pixel over its slices.
MINIMUM, MAXIMUM, MEAN = "minimum", "maximum", "mean"


@dataclass(frozen=True, order=True)
class SeenBox:
    """Where something was read.

    `view` is `MINIMUM`, `MAXIMUM`, `MEAN` or the name (SHA-256) of a quarantined file; `box` in
    pixels of the stored image; `confidence` from 0 to 1; `of_person` when one of the person's own
    words was read in it.
    """

    view: str
    box: Box
    confidence: float
    of_person: bool = False


@dataclass(frozen=True, kw_only=True)
class HeldSeries:
    """One held series.

    Parameters
    ----------
    hold_id : str
        `schemas.vault.pixel_digests.hold_id` of its instances as they were delivered.
    reason : ReasonCode
        Why it is held.
    files : tuple of str
        Names (SHA-256) of its files in the quarantine folder.
    boxes : tuple of SeenBox
        Where something was read; empty for what has no place.
    """

    hold_id: str
    reason: ReasonCode
    files: tuple[str, ...]
    boxes: tuple[SeenBox, ...] = ()


def listing_bytes(series: Iterable[HeldSeries]) -> bytes:
    """Return the listing as it is written."""
    rows = [asdict(one) for one in sorted(series, key=lambda one: (one.hold_id, one.reason))]
    return canonical_json({"series": rows})


def read_listing(data: bytes) -> tuple[HeldSeries, ...]:
    """Return what a listing says."""
    return tuple(_held_series(row) for row in json.loads(data)["series"])


def without_files(data: bytes, gone: Collection[str]) -> bytes:
    """Return a listing without files that are no longer there."""
    kept = (
        replace(one, files=tuple(name for name in one.files if name not in gone))
        for one in read_listing(data)
    )
    return listing_bytes(one for one in kept if one.files)


def _held_series(row: Mapping[str, Any]) -> HeldSeries:
    return HeldSeries(
        hold_id=row["hold_id"],
        reason=ReasonCode(row["reason"]),
        files=tuple(row["files"]),
        boxes=tuple(
            SeenBox(one["view"], Box(**one["box"]), one["confidence"], one.get("of_person", False))
            for one in row["boxes"]
        ),
    )
