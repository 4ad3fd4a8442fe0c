"""Verdict on each sub-stack of a series from headers alone, before anything is converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.dicom.frames import is_unsplit_multi_frame, member_key
from schemas.dicom.phases import is_mostly_repeated, volumes_told_apart
from schemas.dicom.sub_stacks import (
    ORIENTATION_TOLERANCE_DEG,
    SubStack,
    distinct_positions,
    has_geometry,
    is_four_dimensional,
    slice_positions_mm,
)
from tasks.convert.codes import Code, ConversionVerdict
from tasks.convert.counts import NOTHING_STATED, StatedCounts, check_counts
from tasks.convert.delivered import check_delivered
from tasks.convert.handover import has_unusable_numbers, is_torn
from tasks.convert.source import PixelFacts
from tasks.convert.spaces import angle_deg, check_spaces, normal_of, places, same_kind, uids_of
from tasks.convert.verdict import Fault, StackPlan

FloatArray = NDArray[np.float64]

#: A slice farther from the even grid than this is not on it (design goal of the proof).
GRID_TOLERANCE_MM = 0.1
_MIN_SPACING_WITH_HOLES_MM = 3.0 * GRID_TOLERANCE_MM
#: So many gaps of one size are a spacing and no accident.
_MIN_REGULAR_GAPS = 2
_PHASE_NAMES = (
    "temporal_position",
    "trigger_time",
    "acquisition_number",
    "acquisition_time",
    "content_time",
    "repeated_position",
)
#: Split by a value of each single slice: if one phase is short, all may be mixed.
_PER_SLICE_NAMES = ("acquisition_time", "content_time", "repeated_position")


def plan_series(
    stacks: Sequence[SubStack],
    facts: Mapping[str, PixelFacts],
    *,
    proven: Collection[str] = (),
    stated: StatedCounts = NOTHING_STATED,
    delivered: Mapping[str, DeliveredFacts] | None = None,
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
    delivered : mapping of SOPInstanceUID to DeliveredFacts, optional
        Of objects whose headers were rewritten on their way here.
    """
    plans = []
    for stack in stacks:
        siblings = [other for other in stacks if other is not stack]
        faults = [
            *([] if stack.digest in proven else _check_pixels(stack, facts)),
            *([] if stack.digest in proven else check_delivered(stack, facts, delivered or {})),
            # Half of a mixed stack looks tilted or gappy too: the cause is told, not that.
            *(check_spaces(stack, siblings) or _check_geometry(stack)),
            *_check_phases(stack, siblings),
            *_check_series(stack),
        ]
        plan = StackPlan(stack, tuple(faults))
        if plan.verdict is not ConversionVerdict.QUARANTINE and has_unusable_numbers(stack):
            renumbered = Fault(Code.INSTANCES_RENUMBERED, uids_of(stack.members))
            plan = StackPlan(stack, (*plan.faults, renumbered))
        plans.append(plan)
    return check_counts(plans, stated)


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
    faults = [Fault(code, uids_of(by_problem[code])) for code in sorted(by_problem)]
    if len(formats) > 1:
        common = max(formats.values(), key=len)
        odd = [m for group in formats.values() if group is not common for m in group]
        faults.append(Fault(Code.MIXED_PIXEL_FORMAT, uids_of(odd)))
    unscaled = _without_rescale(stack, facts)
    if unscaled:
        faults.append(Fault(Code.RESCALE_NOT_STATED, uids_of(unscaled)))
    if any(map(is_unsplit_multi_frame, stack.members)):
        faults.append(Fault(Code.MULTI_FRAME, uids_of(stack.members)))
    return faults


def _without_rescale(stack: SubStack, facts: Mapping[str, PixelFacts]) -> list[InstanceFeatures]:
    """Return the members whose stored numbers no slope and intercept that count turn to values.

    Where some slices of a stack state a rescale and others do not, one and zero are a guess.
    """
    known = [(m, f) for m in stack.members if (f := facts.get(member_key(m))) and not f.problem]
    some = any(f.rescale_stated for _, f in known)
    return [m for m, f in known if not f.rescale_counts or (some and not f.rescale_stated)]


def _check_geometry(stack: SubStack) -> list[Fault]:
    members = stack.members
    if any(map(is_unsplit_multi_frame, members)):
        return []
    lost = [m for m in members if not (has_geometry(m) and len(m.pixel_spacing_mm) == 2)]
    if lost:
        return [Fault(Code.NO_GEOMETRY, uids_of(lost))]
    positions, index = distinct_positions(slice_positions_mm(members))
    repeats = _check_repeats(stack, index)
    if any("MOSAIC" in m.image_type for m in members):
        return repeats
    if positions.size < 2:
        return [*repeats, Fault(Code.SINGLE_SLICE, uids_of(members))]
    return [*repeats, *_check_grid(members, positions, index)]


def _check_repeats(stack: SubStack, index: NDArray[np.intp]) -> list[Fault]:
    count = Counter(index.tolist())
    most = max(count.values())
    if most == 1:
        return []
    if is_four_dimensional(stack.members):
        short = [m for m, i in zip(stack.members, index, strict=True) if count[int(i)] < most]
        if short:
            return [Fault(Code.UNEQUAL_PHASES, uids_of(short))]
        if volumes_told_apart(stack.members, index.tolist()):
            return []
        return [Fault(Code.PHASES_NOT_TOLD_APART, uids_of(stack.members))]
    twice = [m for m, i in zip(stack.members, index, strict=True) if count[int(i)] > 1]
    several = is_mostly_repeated(index.tolist())
    code = Code.PHASES_NOT_TOLD_APART if several else Code.DUPLICATE_POSITION
    return [Fault(code, uids_of(twice))]


def _check_grid(
    members: Sequence[InstanceFeatures], positions: FloatArray, index: NDArray[np.intp]
) -> list[Fault]:
    """Check one stack of at least two positions against an even grid."""
    gaps = np.diff(positions)
    at: dict[int, list[InstanceFeatures]] = {}
    for member, place in zip(members, index.tolist(), strict=True):
        at.setdefault(place, []).append(member)
    steps = _grid_steps(members, positions)
    if steps is None:
        around = _around_odd_gaps(gaps)
        return [Fault(Code.UNEVEN_SPACING, uids_of(m for i in around for m in at[i]))]
    faults = []
    holes = np.flatnonzero(np.diff(steps) > 1).tolist()
    if holes:
        beside = sorted({place for hole in holes for place in (hole, hole + 1)})
        faults.append(Fault(Code.MISSING_SLICE, uids_of(m for i in beside for m in at[i])))
    return [*faults, *_check_shear(members, steps[index])]


def _grid_steps(members: Sequence[InstanceFeatures], positions: FloatArray) -> FloatArray | None:
    """Return the place of each position on an even grid with holes, None if there is none."""
    gaps = np.diff(positions)
    usual = float(np.sort(gaps)[(gaps.size - 1) // 2])
    steps = _steps_of(positions, usual)
    smallest = float(gaps.min())
    if steps is None and _may_be_spacing(members, smallest, usual, gaps):
        steps = _steps_of(positions, smallest)
    return steps


def _steps_of(positions: FloatArray, spacing: float) -> FloatArray | None:
    steps = np.concatenate([[0.0], np.cumsum(np.round(np.diff(positions) / spacing))])
    residual = np.abs(positions - fit_line(steps, positions[:, None])[:, 0])
    on_grid = np.all(np.diff(steps) > 0) and residual.max() <= GRID_TOLERANCE_MM
    # Any positions lie near some whole place of a grid that fine.
    holes_are_real = spacing >= _MIN_SPACING_WITH_HOLES_MM or steps[-1] == steps.size - 1
    return steps if on_grid and holes_are_real else None


def _may_be_spacing(
    members: Sequence[InstanceFeatures], smallest: float, usual: float, gaps: FloatArray
) -> bool:
    """Return whether most slices may be missing, so that the smallest gap is the spacing.

    A slice out of its place leaves a small gap on one side and a large one on the other.
    """
    first = members[0]
    stated = [v for v in (first.spacing_between_slices_mm, first.slice_thickness_mm) if v]
    if any(_is_near(value, smallest) for value in stated):
        return True
    seldom = int(np.sum(gaps < 1.5 * smallest)) < _MIN_REGULAR_GAPS
    return not seldom and not any(_is_near(value, usual) for value in stated)


def _is_near(value: float, other: float) -> bool:
    return abs(value - other) <= 0.1 * other


def _around_odd_gaps(gaps: FloatArray) -> list[int]:
    odd = np.flatnonzero(np.abs(gaps - np.median(gaps)) > GRID_TOLERANCE_MM).tolist()
    # A slow drift has no odd gap of its own: then the whole stack is named.
    places = {place for gap in odd for place in (gap, gap + 1)} or set(range(gaps.size + 1))
    return sorted(places)


def _check_shear(members: Sequence[InstanceFeatures], steps: FloatArray) -> list[Fault]:
    normal = normal_of(members[0])
    points = np.asarray([m.position_lps for m in members], dtype=np.float64)
    in_plane = points - np.outer(points @ normal, normal)
    line = _robust_line(steps, in_plane)
    residual = np.linalg.norm(in_plane - line, axis=1)
    shifted = np.flatnonzero(residual > GRID_TOLERANCE_MM).tolist()
    if shifted:
        return [Fault(Code.SHIFTED_SLICE, uids_of(members[i] for i in shifted))]
    drift = np.linalg.norm(line[int(steps.argmax())] - line[int(steps.argmin())])
    return [Fault(Code.GANTRY_TILT, uids_of(members))] if drift > GRID_TOLERANCE_MM else []


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


def _check_phases(stack: SubStack, siblings: Sequence[SubStack]) -> list[Fault]:
    if not stack.split_by or stack.split_by[-1] not in _PHASE_NAMES:
        return []
    family = [
        other
        for other in siblings
        if other.split_by == stack.split_by
        and same_kind(stack, other)
        and angle_deg(stack, other) <= ORIENTATION_TOLERANCE_DEG
    ]
    for other in family:
        own, theirs = places(stack, other)
        shared = len(own & theirs)
        uneven = own != theirs and 2 * shared > min(len(own), len(theirs))
        if uneven and (len(own) < len(theirs) or stack.split_by[-1] in _PER_SLICE_NAMES):
            ends = (stack.members[0], stack.members[-1])
            return [Fault(Code.UNEQUAL_PHASES, uids_of(ends))]
    return []


def _check_series(stack: SubStack) -> list[Fault]:
    return [Fault(Code.UID_PER_SLICE, uids_of(stack.members))] if is_torn(stack) else []
