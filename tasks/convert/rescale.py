"""What turns stored numbers into values, and whether the header says it in a way that counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.dicom.functional_groups import FunctionalGroups
from schemas.dicom.header_scan import ScannedHeader
from tasks.convert.header_scan import INTERCEPT, SLOPE

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: CT, Enhanced CT and Legacy Converted Enhanced CT Image Storage (PS3.4 B.5).
_CT_CLASSES = frozenset(
    ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
)
_MODALITY_LUT, _REAL_WORLD = 0x00283000, 0x00409096
_VALUE_TRANSFORM = "PixelValueTransformationSequence"
_REAL_WORLD_SLOPE = ("RealWorldValueMappingSequence", "RealWorldValueSlope")


@dataclass(frozen=True)
class Rescale:
    """Slope and intercept of an object, 1 and 0 where it states none.

    `is_stated` says that it states both. `counts` is false where stored numbers are not
    values by slope and intercept: a CT image without them (PS3.3 C.8.2.1: type 1), a slope of
    zero, a Modality LUT (C.11.1) or a real-world mapping (C.7.6.16.2.11) in their place.
    """

    slope: float
    intercept: float
    is_stated: bool
    counts: bool


def read_rescale(header: Dataset, frame_scales: tuple[tuple[float, float], ...]) -> Rescale:
    """Read the rescale of one object; ValueError for what is no number.

    Parameters
    ----------
    header : Dataset
    frame_scales : tuple of (slope, intercept)
        Of each frame where frames have their own.
    """
    slope, intercept = (_number(header.get(k)) for k in ("RescaleSlope", "RescaleIntercept"))
    mapped = bool(header.get("RealWorldValueMappingSequence")) or _frames_are_mapped(header)
    return _judge(
        slope,
        intercept,
        is_ct=str(header.get("SOPClassUID", "")) in _CT_CLASSES,
        other=bool(header.get("ModalityLUTSequence")) or (mapped and slope is None),
        frame_scales=frame_scales,
    )


def scanned_rescale(header: ScannedHeader) -> Rescale:
    """Return the same from scanned bytes.

    Raises
    ------
    ValueError
        Where the full parser must judge the header.
    """
    if _MODALITY_LUT in header.places or _REAL_WORLD in header.places:
        raise ValueError("values by a table or a mapping")
    slope, intercept = (_number(header.text(tag)) for tag in (SLOPE, INTERCEPT))
    return _judge(slope, intercept, is_ct=header.sop_class in _CT_CLASSES, other=False)


def frame_scales(header: Dataset, n_frames: int) -> tuple[tuple[float, float], ...]:
    """Return slope and intercept of each frame; empty unless every frame has both."""
    groups = FunctionalGroups(header)
    if len(groups.frames) != n_frames:
        return ()
    slopes = [groups.value(i, (_VALUE_TRANSFORM, "RescaleSlope")) for i in range(n_frames)]
    intercepts = [groups.value(i, (_VALUE_TRANSFORM, "RescaleIntercept")) for i in range(n_frames)]
    if None in slopes or None in intercepts:
        return ()
    return tuple((float(a), float(b)) for a, b in zip(slopes, intercepts, strict=True))


def _frames_are_mapped(header: Dataset) -> bool:
    groups = FunctionalGroups(header)
    return bool(groups.frames) and groups.value(0, _REAL_WORLD_SLOPE) is not None


def _judge(
    slope: float | None,
    intercept: float | None,
    *,
    is_ct: bool,
    other: bool,
    frame_scales: tuple[tuple[float, float], ...] = (),
) -> Rescale:
    is_stated = bool(frame_scales) or (slope is not None and intercept is not None)
    pairs = frame_scales or ((1.0 if slope is None else slope, intercept or 0.0),)
    sound = all(a != 0 and math.isfinite(a) and math.isfinite(b) for a, b in pairs)
    # A mapping beside the rescale of each frame says the same or something of another use.
    replaced = other and not frame_scales
    return Rescale(
        1.0 if slope is None else slope,
        intercept or 0.0,
        is_stated,
        counts=sound and not replaced and (is_stated or not is_ct),
    )


def _number(value: object) -> float | None:
    return None if value is None or value == "" else float(str(value))
