"""Verdict on each sub-stack of a series from headers alone, before anything is converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.frames import is_unsplit_multi_frame, member_key
from schemas.dicom.sub_stacks import (
    ORIENTATION_TOLERANCE_DEG,
    SAME_POSITION_MM,
    SubStack,
    distinct_positions,
    has_geometry,
    is_four_dimensional,
    slice_normal,
    slice_positions_mm,
)
from tasks.convert.codes import Code
from tasks.convert.counts import NOTHING_STATED, StatedCounts, check_counts
from tasks.convert.source import PixelFacts
from tasks.convert.verdict import Fault, StackPlan

FloatArray = NDArray[np.float64]

#: A slice farther from the even grid than this is not on it (design goal of the proof).
GRID_TOLERANCE_MM = 0.1
#: Slices turned by less than this and interleaved were meant to be one stack.
_MIXED_ORIENTATION_DEG = 10.0
_PHASE_NAMES = (
    "temporal_position",
    "trigger_time",
    "acquisition_number",
    "acquisition_time",
    "repeated_position",
)
#: Split by a value of each single slice: if one phase is short, all may be mixed.
_PER_SLICE_NAMES = ("acquisition_time", "repeated_position")


def plan_series(
    stacks: Sequence[SubStack],
    facts: Mapping[str, PixelFacts],
    *,
    proven: Collection[str] = (),
    stated: StatedCounts = NOTHING_STATED,
) -> list[StackPlan]:
    """Judge each part of one series.

    Parameters
    ----------
    stacks : sequence of SubStack
        All parts of one series, from `split_series`.
    facts : mapping of member key to PixelFacts
        One for each instance or frame; a missing one counts as unreadable.
    proven : collection of str
        Digests of parts whose pixels an earlier run has proven; they need no facts.
    stated : StatedCounts
        What the delivery says of the number of instances of the series.
    """
    plans = []
    for stack in stacks:
        siblings = [other for other in stacks if other is not stack]
        faults = [
            *([] if stack.digest in proven else _check_pixels(stack, facts)),
            # Half of a mixed stack looks tilted or gappy too: the cause is told, not that.
            *(_check_orientation(stack, siblings) or _check_geometry(stack)),
            *_check_phases(stack, siblings),
            *_check_series(stack),
        ]
        plans.append(StackPlan(stack, tuple(faults)))
    return check_counts(plans, stated)


def _uids(members: Iterable[InstanceFeatures]) -> tuple[str, ...]:
    return tuple(sorted({m.sop_uid or "" for m in members}))


def _check_pixels(stack: SubStack, facts: Mapping[str, PixelFacts]) -> list[Fault]:
    by_problem: dict[Code, list[InstanceFeatures]] = {}
    formats: dict[tuple[object, ...], list[InstanceFeatures]] = {}
    for member in stack.members:
        fact = facts.get(member_key(member))
        problem = Code.UNREADABLE if fact is None else fact.problem
        if problem is not None:
            by_problem.setdefault(problem, []).append(member)
        elif fact is not None:
            formats.setdefault(fact.pixel_format, []).append(member)
    faults = [Fault(code, _uids(by_problem[code])) for code in sorted(by_problem)]
    if len(formats) > 1:
        common = max(formats.values(), key=len)
        odd = [m for group in formats.values() if group is not common for m in group]
        faults.append(Fault(Code.MIXED_PIXEL_FORMAT, _uids(odd)))
    if any(map(is_unsplit_multi_frame, stack.members)):
        faults.append(Fault(Code.MULTI_FRAME, _uids(stack.members)))
    return faults


def _check_geometry(stack: SubStack) -> list[Fault]:
    members = stack.members
    if any(map(is_unsplit_multi_frame, members)):
        return []
    lost = [m for m in members if not (has_geometry(m) and len(m.pixel_spacing_mm) == 2)]
    if lost:
        return [Fault(Code.NO_GEOMETRY, _uids(lost))]
    if any("MOSAIC" in m.image_type for m in members):
        return []
    positions, index = distinct_positions(slice_positions_mm(members))
    repeats = _check_repeats(stack, index)
    if positions.size < 2:
        return [*repeats, Fault(Code.SINGLE_SLICE, _uids(members))]
    return [*repeats, *_check_grid(members, positions, index)]


def _check_repeats(stack: SubStack, index: NDArray[np.intp]) -> list[Fault]:
    count = Counter(index.tolist())
    most = max(count.values())
    if most == 1:
        return []
    if is_four_dimensional(stack.members):
        short = [m for m, i in zip(stack.members, index, strict=True) if count[int(i)] < most]
        return [Fault(Code.UNEQUAL_PHASES, _uids(short))] if short else []
    twice = [m for m, i in zip(stack.members, index, strict=True) if count[int(i)] > 1]
    return [Fault(Code.DUPLICATE_POSITION, _uids(twice))]


def _check_grid(
    members: Sequence[InstanceFeatures], positions: FloatArray, index: NDArray[np.intp]
) -> list[Fault]:
    """Check one stack of at least two positions against an even grid."""
    gaps = np.diff(positions)
    at: dict[int, list[InstanceFeatures]] = {}
    for member, place in zip(members, index.tolist(), strict=True):
        at.setdefault(place, []).append(member)
    steps = _grid_steps(positions)
    if steps is None:
        around = _around_odd_gaps(gaps)
        return [Fault(Code.UNEVEN_SPACING, _uids(m for i in around for m in at[i]))]
    faults = []
    holes = np.flatnonzero(np.diff(steps) > 1).tolist()
    if holes:
        beside = sorted({place for hole in holes for place in (hole, hole + 1)})
        faults.append(Fault(Code.MISSING_SLICE, _uids(m for i in beside for m in at[i])))
    return [*faults, *_check_shear(members, steps[index])]


def _grid_steps(positions: FloatArray) -> FloatArray | None:
    """Return the place of each position on an even grid with holes, None if there is none."""
    gaps = np.diff(positions)
    # The usual gap is the spacing; where most slices are missing, the smallest one may be.
    for spacing in (np.sort(gaps)[(gaps.size - 1) // 2], gaps.min()):
        steps = np.concatenate([[0.0], np.cumsum(np.round(gaps / spacing))])
        residual = np.abs(positions - fit_line(steps, positions[:, None])[:, 0])
        if np.all(np.diff(steps) > 0) and residual.max() <= GRID_TOLERANCE_MM:
            return steps
    return None


def _around_odd_gaps(gaps: FloatArray) -> list[int]:
    odd = np.flatnonzero(np.abs(gaps - np.median(gaps)) > GRID_TOLERANCE_MM).tolist()
    # A slow drift has no odd gap of its own: then the whole stack is named.
    places = {place for gap in odd for place in (gap, gap + 1)} or set(range(gaps.size + 1))
    return sorted(places)


def _check_shear(members: Sequence[InstanceFeatures], steps: FloatArray) -> list[Fault]:
    normal = _normal(members[0])
    points = np.asarray([m.position_lps for m in members], dtype=np.float64)
    in_plane = points - np.outer(points @ normal, normal)
    line = _robust_line(steps, in_plane)
    residual = np.linalg.norm(in_plane - line, axis=1)
    shifted = np.flatnonzero(residual > GRID_TOLERANCE_MM).tolist()
    if shifted:
        return [Fault(Code.SHIFTED_SLICE, _uids(members[i] for i in shifted))]
    drift = np.linalg.norm(line[int(steps.argmax())] - line[int(steps.argmin())])
    return [Fault(Code.GANTRY_TILT, _uids(members))] if drift > GRID_TOLERANCE_MM else []


def _robust_line(steps: FloatArray, values: FloatArray) -> FloatArray:
    """Return the line that most values lie on; a least-squares one leans towards an outlier."""
    order = np.argsort(steps, kind="stable")
    run, rise = np.diff(steps[order]), np.diff(values[order], axis=0)
    slope = np.median(rise[run > 0] / run[run > 0][:, None], axis=0)
    climb = np.outer(steps, slope)
    return np.asarray(np.median(values - climb, axis=0) + climb)


def fit_line(steps: FloatArray, values: FloatArray) -> FloatArray:
    """Return the least-squares line through `values` at `steps`, shape (n, d) like `values`."""
    centred = steps - steps.mean()
    spread = float(centred @ centred)
    slope = centred @ values / spread if spread > 0 else np.zeros(values.shape[1])
    return np.asarray(values.mean(axis=0) + np.outer(centred, slope))


def _check_orientation(stack: SubStack, siblings: Sequence[SubStack]) -> list[Fault]:
    if "orientation" not in stack.split_by:
        return []
    tilted = [
        other
        for other in siblings
        if _same_kind(stack, other)
        and ORIENTATION_TOLERANCE_DEG < _angle_deg(stack, other) < _MIXED_ORIENTATION_DEG
    ]
    if not any(_interleaved(stack, other) for other in tilted):
        return []
    return [Fault(Code.MIXED_ORIENTATION, _uids(stack.members))]


def _same_kind(one: SubStack, other: SubStack) -> bool:
    a, b = one.members[0], other.members[0]
    return (a.rows, a.columns, a.image_type, a.echo_time_ms) == (
        b.rows,
        b.columns,
        b.image_type,
        b.echo_time_ms,
    )


def _angle_deg(one: SubStack, other: SubStack) -> float:
    """Return the larger angle between rows and between columns; infinite without geometry."""
    a, b = one.members[0], other.members[0]
    if not (has_geometry(a) and has_geometry(b)):
        return float("inf")
    axes = np.reshape([a.orientation_lps, b.orientation_lps], (2, 2, 3))
    chords = np.linalg.norm(axes[0] - axes[1], axis=1)
    return float(np.degrees(2.0 * np.arcsin(np.clip(chords / 2.0, 0.0, 1.0))).max())


def _normal(member: InstanceFeatures) -> FloatArray:
    normal = slice_normal(member.orientation_lps)
    if normal is None:
        raise ValueError("no valid orientation")
    return normal


def _along(stack: SubStack, normal: FloatArray) -> FloatArray:
    return np.asarray([m.position_lps for m in stack.members], dtype=np.float64) @ normal


def _interleaved(one: SubStack, other: SubStack) -> bool:
    normal = _normal(one.members[0])
    a, b = _along(one, normal), _along(other, normal)
    apart = a.max() < b.min() - SAME_POSITION_MM or b.max() < a.min() - SAME_POSITION_MM
    # Single turned slices of a rotating projection share a centre, not a stack.
    return not apart and (len(a) > 1 or len(b) > 1)


def _check_phases(stack: SubStack, siblings: Sequence[SubStack]) -> list[Fault]:
    if not stack.split_by or stack.split_by[-1] not in _PHASE_NAMES:
        return []
    family = [
        other
        for other in siblings
        if other.split_by == stack.split_by
        and _same_kind(stack, other)
        and _angle_deg(stack, other) <= ORIENTATION_TOLERANCE_DEG
    ]
    for other in family:
        own, theirs = _places(stack, other)
        shared = len(own & theirs)
        uneven = own != theirs and 2 * shared > min(len(own), len(theirs))
        if uneven and (len(own) < len(theirs) or stack.split_by[-1] in _PER_SLICE_NAMES):
            ends = (stack.members[0], stack.members[-1])
            return [Fault(Code.UNEQUAL_PHASES, _uids(ends))]
    return []


def _check_series(stack: SubStack) -> list[Fault]:
    if len({m.series_uid for m in stack.members}) == 1:
        return []
    return [Fault(Code.UID_PER_SLICE, _uids(stack.members))]


def _places(one: SubStack, other: SubStack) -> tuple[set[int], set[int]]:
    normal = _normal(one.members[0])
    along = np.concatenate([_along(one, normal), _along(other, normal)])
    _, index = distinct_positions(along)
    return set(index[: len(one.members)].tolist()), set(index[len(one.members) :].tolist())
