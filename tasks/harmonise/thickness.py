"""Slice thickness and field strength against the protocol's limits."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.dicom.features import InstanceFeatures
from schemas.states import Verdict
from tasks.harmonise.acquisition import is_original, one_length_mm

TOLERANCE_MM = 0.05
TOLERANCE_T = 0.05
LOWEST_FIELD_T = 1.5


def slice_thickness_mm(members: Sequence[InstanceFeatures]) -> float | None:
    """Return SliceThickness (0018,0050) when all members agree on one positive value."""
    value = one_length_mm([m.slice_thickness_mm for m in members])
    return value if value is not None and value > 0 else None


def check_thickness(
    thickness_mm: float | None,
    limit_mm: float | None,
    orientation: str,
    image_type: Sequence[str],
) -> Verdict | None:
    """Return whether a sub-stack meets its thickness limit.

    Parameters
    ----------
    thickness_mm : float or None
        Nominal thickness; spacing is never used in its place.
    limit_mm : float or None
        Limit of the label; without one there is no verdict (None).
    orientation : str
        Only axial sub-stacks count; others have no verdict.
    image_type : sequence of str
        ImageType (0008,0008); an image computed from others has no verdict. A derived but
        PRIMARY one, such as a Dixon component, keeps its acquired thickness.
    """
    if limit_mm is None or orientation not in ("axial", "unknown") or not is_original(image_type):
        return None
    if thickness_mm is None or orientation == "unknown":
        return Verdict.UNDETERMINED
    return Verdict.MET if thickness_mm <= limit_mm + TOLERANCE_MM + 1e-9 else Verdict.NOT_MET


def check_field_strength(field_t: float | None) -> Verdict:
    """Return whether a scanner is of at least 1.5 T, with the tolerance of decision D23."""
    if field_t is None:
        return Verdict.UNDETERMINED
    return Verdict.MET if field_t >= LOWEST_FIELD_T - TOLERANCE_T - 1e-9 else Verdict.NOT_MET
