"""Parts of one series beside each other: turned against each other, or of two spaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import (
    ORIENTATION_TOLERANCE_DEG,
    SAME_POSITION_MM,
    SubStack,
    distinct_positions,
    has_geometry,
    slice_normal,
)
from tasks.convert.codes import Code
from tasks.convert.verdict import Fault

FloatArray = NDArray[np.float64]

#: Slices turned by less than this and interleaved were meant to be one stack.
_MIXED_ORIENTATION_DEG = 10.0
_SPACES = ("frame_of_reference", "patient_position")


def check_spaces(stack: SubStack, siblings: Sequence[SubStack]) -> list[Fault]:
    """Return what is wrong with a stack whose slices lie among those of another part.

    Every second slice turned, by a little or by half a turn in its own plane, and every second
    slice of another frame of reference leave two parts that look whole at twice the spacing.
    """
    if len({m.frame_of_reference_uid for m in stack.members}) > 1:
        return [Fault(Code.FRAMES_OF_REFERENCE_DIFFER, uids_of(stack.members))]
    family = [other for other in siblings if _same_kind_but_place(stack, other)]
    if "orientation" in stack.split_by and any(
        _lies_turned_among(stack, other) for other in family
    ):
        return [Fault(Code.MIXED_ORIENTATION, uids_of(stack.members))]
    spaces = [other for other in family if _space(other) != _space(stack)]
    if set(_SPACES) & set(stack.split_by) and any(_lies_among(stack, other) for other in spaces):
        return [Fault(Code.FRAMES_OF_REFERENCE_DIFFER, uids_of(stack.members))]
    return []


def uids_of(members: Iterable[InstanceFeatures]) -> tuple[str, ...]:
    """Return the SOPInstanceUIDs of members, sorted, each once."""
    return tuple(sorted({m.sop_uid or "" for m in members}))


def same_kind(one: SubStack, other: SubStack) -> bool:
    """Return whether two parts may be phases of one series: same matrix, type, physics, space."""
    return _same_kind_but_place(one, other) and _space(one) == _space(other)


def _same_kind_but_place(one: SubStack, other: SubStack) -> bool:
    return _kind(one.members[0]) == _kind(other.members[0])


def _kind(m: InstanceFeatures) -> tuple[object, ...]:
    physics = (m.echo_time_ms, m.convolution_kernel, m.kvp, m.inversion_time_ms, m.flip_angle_deg)
    return (m.rows, m.columns, m.image_type, *physics)


def _space(stack: SubStack) -> tuple[object, ...]:
    first = stack.members[0]
    return (first.frame_of_reference_uid, first.patient_position)


def _axes(stack: SubStack) -> FloatArray | None:
    first = stack.members[0]
    if not has_geometry(first):
        return None
    return np.reshape(first.orientation_lps, (2, 3))


def angle_deg(one: SubStack, other: SubStack) -> float:
    """Return the larger angle between rows and between columns; infinite without geometry."""
    a, b = _axes(one), _axes(other)
    if a is None or b is None:
        return float("inf")
    chords = np.linalg.norm(a - b, axis=1)
    return float(np.degrees(2.0 * np.arcsin(np.clip(chords / 2.0, 0.0, 1.0))).max())


def _lies_turned_among(one: SubStack, other: SubStack) -> bool:
    angle = angle_deg(one, other)
    if ORIENTATION_TOLERANCE_DEG < angle < _MIXED_ORIENTATION_DEG:
        return _interleaved(one, other)
    if not np.isfinite(angle):
        return False
    cosine = abs(float(normal_of(one.members[0]) @ normal_of(other.members[0])))
    parallel = cosine > np.cos(np.radians(ORIENTATION_TOLERANCE_DEG))
    return angle >= _MIXED_ORIENTATION_DEG and parallel and _lies_among(one, other)


def _lies_among(one: SubStack, other: SubStack) -> bool:
    """Return whether slices of one part fill the gaps of the other: no two volumes."""
    if not (has_geometry(one.members[0]) and has_geometry(other.members[0])):
        return False
    own, theirs = places(one, other)
    return _interleaved(one, other) and 2 * len(own & theirs) < min(len(own), len(theirs))


def normal_of(member: InstanceFeatures) -> FloatArray:
    """Return the slice normal; ValueError without geometry."""
    normal = slice_normal(member.orientation_lps)
    if normal is None:
        raise ValueError("no valid orientation")
    return normal


def _along(stack: SubStack, normal: FloatArray) -> FloatArray:
    return np.asarray([m.position_lps for m in stack.members], dtype=np.float64) @ normal


def _interleaved(one: SubStack, other: SubStack) -> bool:
    normal = normal_of(one.members[0])
    a, b = _along(one, normal), _along(other, normal)
    apart = a.max() < b.min() - SAME_POSITION_MM or b.max() < a.min() - SAME_POSITION_MM
    # Single turned slices of a rotating projection share a centre, not a stack.
    return not apart and (len(a) > 1 or len(b) > 1)


def places(one: SubStack, other: SubStack) -> tuple[set[int], set[int]]:
    """Return which of the positions of both together each of two parts holds."""
    normal = normal_of(one.members[0])
    along = np.concatenate([_along(one, normal), _along(other, normal)])
    _, index = distinct_positions(along)
    return set(index[: len(one.members)].tolist()), set(index[len(one.members) :].tolist())
