"""Contrast phases of one exam from order and time of acquisition.

Text anchors are hard. Time zero is ContrastBolusStartTime (0018,1042) only: a time guessed
from an anchor would make an inference look like a measurement. An unnamed acquisition gets
a phase only when order and time leave one; it is `post` when it certainly followed the
injection, and otherwise stays unclassified.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.harmonise.decide import CT_PHASE_LABELS, MR_PHASE_LABELS, Decision
from tasks.harmonise.exam_items import ExamItem
from tasks.harmonise.vocabulary import UNCLASSIFIED, PhaseWindow, read_phase_windows

_RANKS = {"pre": 0, "art": 1, "pvp": 2, "del": 3, "trans": 3, "late": 3, "hbp": 4}
_PHASES_OF_RANK = ("pre", "art", "pvp", "late", "hbp")
_SAME_START_S = 5.0
_SAME_ACQUISITION_S = 1.0
_LONGEST_EXAM_S = 3 * 3600.0
#: Order is only trusted when the acquisitions are apart by more than clock rounding.
_ORDER_TOLERANCE_S = 1.0


@dataclass(frozen=True)
class TimeZero:
    """Start of the injection in seconds since midnight, and what says so."""

    time_s: float
    evidence: str = "TIME-ZERO ContrastBolusStartTime"


def rank_of(phase: str | None) -> int | None:
    """Return the place of a phase in the dynamic, None for post, multi and no phase."""
    return _RANKS.get(phase or "")


def window_of(modality: str | None, phase: str) -> PhaseWindow | None:
    """Return the time window of a phase; delayed and transitional share one in MR."""
    name = "late" if modality == "MR" and phase in ("del", "trans") else phase
    name = "del" if modality == "CT" and name == "late" else name
    return read_phase_windows().get((modality or "", name))


def find_time_zero(items: Sequence[ExamItem]) -> TimeZero | None:
    """Return the start of injection, or None when headers lack it, differ or are implausible.

    It is implausible when no acquisition of the dynamic follows within three hours, or when
    it contradicts more named phases than it agrees with.
    """
    starts = [item.contrast_start_s for item in items if item.contrast_start_s is not None]
    if not starts or max(starts) - min(starts) > _SAME_START_S:
        return None
    zero = TimeZero(min(starts))
    offsets = [(item, offset_s(item, zero)) for item in items if item.decision.is_dynamic]
    if not any(o is not None and 0 <= o <= _LONGEST_EXAM_S for _, o in offsets):
        return None
    agree = sum(_agrees(item, offset) for item, offset in offsets)
    contradict = sum(_contradicts(item, offset) for item, offset in offsets)
    return zero if contradict <= agree else None


def offset_s(item: ExamItem, zero: TimeZero | None) -> float | None:
    """Return seconds from the start of injection to the start of the acquisition."""
    if zero is None or item.time_s is None:
        return None
    return item.time_s - zero.time_s


def settle_phases(
    items: Sequence[ExamItem], zero: TimeZero | None
) -> Mapping[tuple[str, str], Decision]:
    """Return the decisions of an exam's dynamic after time and order had their say.

    Parameters
    ----------
    items : sequence of ExamItem
        All sub-stacks of one exam and modality.
    zero : TimeZero or None
        Start of the injection.

    Returns
    -------
    mapping
        Decision by item key. Named phases that time contradicts, or that break the order of
        phases, are conflicts (X); named phases that time confirms are tier A.
    """
    decisions = {item.key: item.decision for item in items}
    dynamic = [item for item in items if item.decision.is_dynamic]
    broken = out_of_order(dynamic)
    for item in dynamic:
        if rank_of(item.decision.contrast_phase) is not None and item.decision.tier in "AB":
            decisions[item.key] = _check_named(item, offset_s(item, zero), item.key in broken)
    anchors = [
        item
        for item in dynamic
        if decisions[item.key].tier in ("A", "B")
        and rank_of(item.decision.contrast_phase) is not None
    ]
    for item in dynamic:
        if _is_open(item):
            decisions[item.key] = _name_by_time(item, anchors, offset_s(item, zero))
    return decisions


def out_of_order(items: Iterable[ExamItem]) -> frozenset[tuple[str, str]]:
    """Return the named items that break pre < arterial < portal < delayed < hepatobiliary.

    The item in most violations is taken out first; when several tie, all of them are.
    """
    timed = [
        item
        for item in items
        if item.time_s is not None and rank_of(item.decision.contrast_phase) is not None
    ]
    broken: set[tuple[str, str]] = set()
    while True:
        counts = {
            item.key: sum(_violates(item, other) for other in timed if other.key not in broken)
            for item in timed
            if item.key not in broken
        }
        worst = max(counts.values(), default=0)
        if worst == 0:
            return frozenset(broken)
        broken.update(key for key, count in counts.items() if count == worst)


def _violates(one: ExamItem, other: ExamItem) -> bool:
    first, second = rank_of(one.decision.contrast_phase), rank_of(other.decision.contrast_phase)
    if None in (one.time_s, other.time_s, first, second):
        return False
    assert one.time_s is not None and other.time_s is not None  # noqa: PT018  # for the type checker
    assert first is not None and second is not None  # noqa: PT018  # for the type checker
    apart = one.time_s - other.time_s
    if abs(apart) <= _ORDER_TOLERANCE_S:
        return False
    return (first < second) if apart > 0 else (first > second)


def _agrees(item: ExamItem, offset: float | None) -> bool:
    window = window_of(item.facts.modality, item.decision.contrast_phase or "")
    return offset is not None and window is not None and window.holds(offset)


def _contradicts(item: ExamItem, offset: float | None) -> bool:
    window = window_of(item.facts.modality, item.decision.contrast_phase or "")
    return offset is not None and window is not None and window.contradicts(offset)


def _check_named(item: ExamItem, offset: float | None, is_broken: bool) -> Decision:
    decision = item.decision
    if is_broken:
        return _conflict(decision, "ORDER-CONFLICT AcquisitionTime")
    if _contradicts(item, offset):
        return _conflict(decision, f"TIME-CONFLICT AcquisitionTime={offset:.0f}s")
    if _agrees(item, offset):
        evidence = (*decision.evidence, f"TIME-AGREES AcquisitionTime={offset:.0f}s")
        return replace(decision, tier="A", evidence=evidence)
    return decision


def _conflict(decision: Decision, reason: str) -> Decision:
    return replace(
        decision,
        label=UNCLASSIFIED,
        tier="X",
        evidence=(*decision.evidence, reason),
        contrast_phase=None,
    )


def _is_open(item: ExamItem) -> bool:
    decision = item.decision
    return (
        item.can_be_timed
        and item.time_s is not None
        and decision.tier in ("A", "B", "none")
        and decision.contrast_phase in (None, "post", "multi")
    )


def _name_by_time(item: ExamItem, anchors: Sequence[ExamItem], offset: float | None) -> Decision:
    lower, upper, order_evidence = _order_bounds(item, anchors)
    candidates = [p for p in _PHASES_OF_RANK if lower <= _RANKS[p] <= upper]
    if item.decision.contrast_phase == "post":
        candidates = [p for p in candidates if p != "pre"]
    evidence = order_evidence
    if len(candidates) != 1 and offset is not None:
        candidates = [p for p in candidates if _window_holds(item, p, offset)]
        evidence = f"TIME-WINDOW AcquisitionTime={offset:.0f}s"
    if len(candidates) == 1 and _may_be(item, candidates[0]):
        return _named(item, candidates[0], evidence)
    if lower >= 1:
        return _named(item, "post", "ORDER-AFTER-CONTRAST AcquisitionTime")
    if offset is not None and offset > _post_from_s(item):
        return _named(item, "post", f"TIME-POST AcquisitionTime={offset:.0f}s")
    return item.decision


def _order_bounds(item: ExamItem, anchors: Sequence[ExamItem]) -> tuple[int, int, str]:
    """Return the lowest and highest rank that the anchors leave, and why."""
    lower, upper = 0, _RANKS["del" if item.facts.modality == "CT" else "hbp"]
    for anchor in anchors:
        rank = rank_of(anchor.decision.contrast_phase)
        if rank is None or anchor.time_s is None or item.time_s is None:
            continue
        apart = item.time_s - anchor.time_s
        if abs(apart) <= _SAME_ACQUISITION_S:
            if _is_same_acquisition(item, anchor):
                return rank, rank, "ORDER-SAME-ACQUISITION AcquisitionTime"
        elif apart > 0:
            lower = max(lower, rank)
        else:
            upper = min(upper, rank)
    return lower, upper, "ORDER-BETWEEN AcquisitionTime"


def _is_same_acquisition(item: ExamItem, anchor: ExamItem) -> bool:
    ours, theirs = item.facts.frame_of_reference_uid, anchor.facts.frame_of_reference_uid
    return ours is not None and ours == theirs


def _window_holds(item: ExamItem, phase: str, offset: float) -> bool:
    window = window_of(item.facts.modality, phase)
    return window is not None and window.holds(offset)


def _may_be(item: ExamItem, phase: str) -> bool:
    # The vocabulary's native T1 is fat-suppressed; a plain one before injection is not it.
    return phase != "pre" or item.facts.modality == "CT" or item.is_fat_suppressed


def _post_from_s(item: ExamItem) -> float:
    window = window_of(item.facts.modality, "pre")
    return window.conflict_after_s if window is not None else _LONGEST_EXAM_S


def _named(item: ExamItem, phase: str, evidence: str) -> Decision:
    name = "del" if item.facts.modality == "CT" and phase == "late" else phase
    labels = CT_PHASE_LABELS if item.facts.modality == "CT" else MR_PHASE_LABELS
    return replace(
        item.decision,
        label=labels[name],
        tier="B",
        evidence=(*item.decision.evidence, evidence),
        contrast_phase=name,
    )
