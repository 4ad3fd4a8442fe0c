"""Facts of an acquisition that need no rule table: field strength, plane, slices, time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import (
    distinct_positions,
    has_geometry,
    slice_normal,
    slice_positions_mm,
)

_GAUSS_PER_TESLA = 10_000.0
#: No scanner for people exceeds this; a larger header value is in gauss.
_HIGHEST_TESLA = 100.0
#: Cosine of the largest tilt (45 degrees) at which a plane keeps its name.
_OBLIQUE_COSINE = 0.7072
_MISSING_FROM = 1.5
_DAY_S = 86_400.0


def field_strength_t(facts: InstanceFeatures) -> float | None:
    """Return MagneticFieldStrength (0018,0087) in tesla; values over 100 are gauss."""
    raw = facts.field_strength_raw
    if raw is None or raw <= 0:
        return None
    return raw / _GAUSS_PER_TESLA if raw > _HIGHEST_TESLA else raw


def orientation_of(members: Sequence[InstanceFeatures]) -> str:
    """Return axial, coronal, sagittal, oblique, or unknown without a usable orientation.

    Notes
    -----
    The name is that of the patient axis (DICOM LPS) nearest to the slice normal, when less
    than 45 degrees away. DICOM PS3.3 C.7.6.2.1.1.
    """
    normals = [slice_normal(m.orientation_lps) for m in members[:1]]
    normal = normals[0] if normals else None
    if normal is None:
        return "unknown"
    cosines = np.abs(normal)
    axis = int(cosines.argmax())
    return ("sagittal", "coronal", "axial")[axis] if cosines[axis] > _OBLIQUE_COSINE else "oblique"


def position_spacing_mm(members: Sequence[InstanceFeatures]) -> float | None:
    """Return the median distance of neighbouring positions along the normal, in mm.

    None with fewer than two positions. The median is taken so that a missing slice does not
    change it; whether the spacing is even is conversion's question.
    """
    gaps = _position_gaps_mm(members)
    return float(np.median(gaps)) if len(gaps) else None


def count_missing_slices(members: Sequence[InstanceFeatures]) -> int:
    """Return how many slices the gaps between positions have room for.

    A missing first or last slice leaves no gap and is not counted.
    """
    gaps = _position_gaps_mm(members)
    if not len(gaps):
        return 0
    typical = float(np.median(gaps))
    return sum(round(gap / typical) - 1 for gap in gaps if gap > _MISSING_FROM * typical)


def _position_gaps_mm(members: Sequence[InstanceFeatures]) -> Sequence[float]:
    if not members or not all(map(has_geometry, members)):
        return []
    distinct, _ = distinct_positions(slice_positions_mm(members))
    return [float(gap) for gap in np.diff(distinct)]


def only_value(values: Sequence[float | None]) -> float | None:
    """Return the one value that all have, or None when it is missing or differs."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None


def acquisition_times_s(
    parts: Sequence[Sequence[InstanceFeatures]],
) -> list[float | None]:
    """Return when each part of a series began, in seconds since midnight.

    AcquisitionTime (0008,0032) only: SeriesTime and ContentTime may be the time of export.
    Where parts of one series share it, as phases of a GE dynamic do, TriggerTime (0018,1060)
    is their delay from the start of the series and is added.

    Parameters
    ----------
    parts : sequence of sequences of InstanceFeatures
        Members of each sub-stack of one series.
    """
    starts = [_first(map(acquired_s, members)) for members in parts]
    delays_ms = [_first(m.trigger_time_ms for m in members) for members in parts]
    is_shared = len(parts) > 1 and len(set(starts)) == 1 and len(set(delays_ms)) == len(parts)
    if not is_shared or starts[0] is None or None in delays_ms:
        return starts
    return [starts[0] + (delay or 0.0) / 1000.0 for delay in delays_ms]


def acquired_s(member: InstanceFeatures) -> float | None:
    """Return when an instance was acquired, None when the header has no time of a day."""
    time_s = member.acquisition_time_s
    return time_s if time_s is not None and 0.0 <= time_s <= _DAY_S else None


def _first(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
