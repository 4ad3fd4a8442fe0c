"""What looking into the pixels of a batch gave: one row for each series, and nothing that was read.

inspect leaves it; commit writes it; a release asks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schemas.held_series import HeldSeries
from schemas.identifiers import Sha256
from schemas.states import ReasonCode

#: Tables of a batch.
INSPECTION_TABLE, PIXELS_TABLE = "inspection", "pixels"
#: What stands for a reason in the table of holds where a person let go what was held before.
LIFTED = "LIFTED"


class InspectionOutcome(StrEnum):
    """What became of a series."""

    CLEAN = "clean"
    ANNOTATION = "annotation"
    HELD = "held"
    DECIDED = "decided"


@dataclass(frozen=True, kw_only=True)
class InspectionRow:
    """One series of a batch.

    `rules_id` names models and rules by their bytes; `n_images` counts frames; `n_views` is how
    many pictures a model looked at.
    """

    series_uid: str
    subject_id: str
    outcome: InspectionOutcome
    rules_id: str
    n_images: int
    n_views: int
    reason: ReasonCode | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelRow:
    """Keyed digest of the pixels of one instance that two persons do not share by chance."""

    sop_uid: str
    series_uid: str
    subject_id: str
    digest: Sha256


@dataclass(frozen=True)
class InspectedPixels:
    """inspect → commit: the rows, what is held, and pixels to compare with later batches.

    `lifted` are instances of earlier batches that were held beside others of the same pixels,
    until a person said that both may stay.
    """

    rows: tuple[InspectionRow, ...]
    held: tuple[HeldSeries, ...]
    pixels: tuple[PixelRow, ...]
    lifted: tuple[str, ...] = ()
