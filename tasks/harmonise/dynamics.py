"""Passes that order and time cannot name one by one: perfusion, other places, second tries.

Thirty passes seconds apart are one time-resolved container. Passes that do not overlap in space
are stations of one phase, or two organs. A dynamic that begins anew belongs to a second
injection. Each is told, and none is named by the pattern of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tasks.harmonise.decide import CT_PHASE_LABELS, MR_PHASE_LABELS, Decision
from tasks.harmonise.exam_items import ExamItem

#: So many passes, each so few seconds after the one before, are read as a time series: several
#: arterial phases in a row are at most six.
_LEAST_QUICK = 8
_QUICK_S = 6.5
#: Two images of one organ share at least this part of the shorter one's extent.
_SHARED_EXTENT = 0.5
#: Halves of one acquisition, cut into two series, begin within this.
_STATION_S = 15.0
_RESTART_S = 120.0
_SAME_INJECTION_S = 60.0
_LEAST_OF_A_DYNAMIC = 4

Key = tuple[str, str]


def time_resolved(items: Sequence[ExamItem]) -> frozenset[Key]:
    """Return the parts that belong to a run of passes seconds apart over one place."""
    timed = sorted(
        ((i.time_s, i.key, i) for i in items if i.time_s is not None), key=lambda e: e[:2]
    )
    found: set[Key] = set()
    run: list[tuple[float, ExamItem]] = []
    for time_s, _, item in [*timed, (float("inf"), ("", ""), None)]:
        last = run[-1] if run else None
        goes_on = (
            item is not None
            and last is not None
            and time_s - last[0] <= _QUICK_S
            and _share_a_place(item, last[1])
        )
        if not goes_on:
            if len({at for at, _ in run}) >= _LEAST_QUICK:
                found |= {one.key for _, one in run}
            run = []
        if item is not None:
            run.append((time_s, item))
    return frozenset(found)


def as_container(item: ExamItem) -> Decision:
    """Return the label of one pass of a time-resolved series."""
    labels = CT_PHASE_LABELS if item.facts.modality == "CT" else MR_PHASE_LABELS
    return replace(
        item.decision,
        label=labels["multi"],
        tier="B",
        contrast_phase="multi",
        evidence=(*item.decision.evidence, "DYNAMIC-CONTAINER AcquisitionTime"),
    )


def off_the_organ(items: Sequence[ExamItem]) -> frozenset[Key]:
    """Return the parts whose place the order of the exam's passes says nothing about.

    The organ is where most acquisitions overlap. Of two passes that do not overlap, neither is
    named by order, unless one place was imaged more often.
    """
    placed = [i for i in items if i.extent_mm is not None and i.time_s is not None]
    if len(placed) < 2:
        return frozenset()
    beside = {i.key: _times(o for o in placed if _share_a_place(i, o)) for i in placed}
    most = max(beside.values())
    cores = [i for i in placed if beside[i.key] == most]
    core = cores[0]
    if not all(_share_a_place(core, other) or _at_once(core, other) for other in cores):
        return frozenset(i.key for i in placed)
    inside = [i for i in placed if _share_a_place(i, core)]
    off = {i.key for i in placed} - {i.key for i in inside}
    for one in inside:
        for other in inside:
            apart = not _share_a_place(one, other) and not _at_once(one, other)
            if apart and beside[one.key] <= beside[other.key]:
                off.add(one.key)
    # Halves of one acquisition lie in the organ together.
    halves = {
        i.key
        for i in placed
        if i.key in off and any(o.key not in off and _at_once(i, o) for o in inside)
    }
    return frozenset(off - halves)


def _times(items: object) -> int:
    return len({round(i.time_s) for i in items})  # type: ignore[attr-defined]  # items of `placed`


def _at_once(one: ExamItem, other: ExamItem) -> bool:
    return abs((one.time_s or 0.0) - (other.time_s or 0.0)) <= _STATION_S


def _share_a_place(one: ExamItem, other: ExamItem) -> bool:
    if one.extent_mm is None or other.extent_mm is None:
        return True
    (low, high), (below, above) = one.extent_mm, other.extent_mm
    shared = min(high, above) - max(low, below)
    shorter = min(high - low, above - below)
    return shared >= _SHARED_EXTENT * shorter if shorter > 0 else shared >= 0


def begins_anew(items: Sequence[ExamItem]) -> bool:
    """Return whether the exam's names or its starts of injection tell of a second injection."""
    starts = [i.contrast_start_s for i in items if i.contrast_start_s is not None]
    if starts and max(starts) - min(starts) > _SAME_INJECTION_S:
        return True
    named = sorted(
        (i.time_s, i.decision.contrast_phase)
        for i in items
        if i.time_s is not None
        and i.decision.is_dynamic
        and i.decision.tier in ("A", "B")
        and i.decision.contrast_phase in ("pre", "art", "pvp")
    )
    arterial = [at for at, phase in named if phase == "art"]
    return any(
        again - arterial[0] > _RESTART_S and _is_of_a_dynamic(again, arterial[0], named)
        for again in arterial
    )


def _is_of_a_dynamic(again_s: float, first_s: float, named: Sequence[tuple[float, str]]) -> bool:
    """Return whether a later arterial name has its own native or portal phase: no single slip."""
    between = any(phase != "art" and first_s < at < again_s for at, phase in named)
    return between and any(
        (phase == "pvp" and again_s + 15.0 <= at <= again_s + 90.0)
        or (phase == "pre" and max(first_s, again_s - 600.0) < at < again_s)
        for at, phase in named
    )


def broken_off(items: Sequence[ExamItem]) -> frozenset[Key]:
    """Return the named arterial scans of a dynamic that ended with them and was begun anew.

    No portal venous scan follows before the next arterial one: whether contrast had reached the
    patient, nobody knows.
    """
    named = [
        (i.time_s, i.decision.contrast_phase, i.key)
        for i in items
        if i.time_s is not None and i.decision.is_dynamic and i.decision.tier in ("A", "B")
    ]
    arterial = sorted((at, key) for at, phase, key in named if phase == "art")
    portal = [at for at, phase, _ in named if phase == "pvp"]
    found = set()
    for at, key in arterial:
        anew = next((later for later, _ in arterial if later - at > _RESTART_S), None)
        if anew is not None and not any(at < when < anew for when in portal):
            found.add(key)
    return frozenset(found)


def is_dynamic_mri(items: Sequence[ExamItem]) -> bool:
    """Return whether one T1 was repeated unchanged so often as only a dynamic repeats it.

    A pause between two scans is no evidence of contrast, nor are flip angles that change.
    """
    kinds: dict[object, set[float]] = {}
    for i in items:
        if i.facts.modality == "MR" and i.time_s is not None:
            f = i.facts
            physics = (f.repetition_time_ms, f.echo_time_ms, f.flip_angle_deg)
            kinds.setdefault(physics, set()).add(round(i.time_s))
    return any(len(times) >= _LEAST_OF_A_DYNAMIC for times in kinds.values())
