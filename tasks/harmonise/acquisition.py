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
#: Scanners for people; 10 and 15 are kilogauss or nonsense, 1500 millitesla or nonsense.
_PLAUSIBLE_TESLA = (0.1, 7.5)
#: Two values of one nominal thickness or spacing; consoles write 2.9999998 beside 3.0.
_SAME_LENGTH_MM = 0.01
#: Values of ImageType (0008,0008) that tell a computed image wherever they stand
#: (PS3.3 C.7.6.1.1.2, C.8.16.1.4; vendors' conformance statements).
_COMPUTED = frozenset(
    {
        "SECONDARY", "MPR", "REFORMATTED", "RESAMPLED", "MULTIPLANAR", "PROJECTION IMAGE",
        "PROJECTION", "MIP", "MINIP", "MNIP", "MIN_IP", "MAXIMUM", "MINIMUM", "STD_DEVIATION",
        "VOLUME RENDERING", "VRT", "CURVED", "CPR", "CSA MPR", "PJN", "STITCHED", "COMPOSED",
        "SUBTRACTION", "SUB", "ADDITION", "DIVISION", "MULTIPLICATION", "QUANTITY",
    }
)  # fmt: skip
#: Values that originals have as well, with another meaning: averaged signals, a volume scan.
_COMPUTED_WHEN_DERIVED = frozenset(
    {"AVERAGE", "AVE", "MEAN", "COMBINED", "VOLUME", "THICK", "THIN", "MSUM", "COMP_SUM"}
)
#: Cosine of the largest tilt (45 degrees) at which a plane keeps its name.
_OBLIQUE_COSINE = 0.7072
_MISSING_FROM = 1.5
_DAY_S = 86_400.0


def field_strength_t(facts: InstanceFeatures) -> float | None:
    """Return MagneticFieldStrength (0018,0087) in tesla; None for what no scanner can have.

    Thousands are gauss where that gives the field of a scanner. Kilogauss and millitesla
    cannot be told from errors, and are not converted.
    """
    raw = facts.field_strength_raw
    for tesla in (raw, raw and raw / _GAUSS_PER_TESLA):
        if tesla is not None and _PLAUSIBLE_TESLA[0] <= tesla <= _PLAUSIBLE_TESLA[1]:
            # 1000 to 4999 are 0.1 to 0.5 T, or millitesla: nobody knows.
            return None if tesla != raw and tesla < 0.5 else tesla
    return None


def has_implausible_field(facts: InstanceFeatures) -> bool:
    """Return whether a header states a field strength that no scanner can have."""
    raw = facts.field_strength_raw
    return raw is not None and field_strength_t(facts) is None


def one_length_mm(values: Sequence[float | None]) -> float | None:
    """Return the length that all state; values that differ by rounding are one, the larger."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values) or max(known) - min(known) > _SAME_LENGTH_MM:
        return None
    return round(max(known), 3)


def is_original(image_type: Sequence[str]) -> bool:
    """Return whether ImageType (0008,0008) names no computation from other images.

    A derived but PRIMARY image, such as a Dixon component, is an original here.
    """
    values = frozenset(image_type)
    derived = image_type[:1] == ("DERIVED",)
    return not (values & _COMPUTED or (derived and values & _COMPUTED_WHEN_DERIVED))


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
