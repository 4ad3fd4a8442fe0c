"""Contrast phases of one exam from names, order and time of acquisition together.

The solver (`tasks.harmonise.phase_solver`) weighs every ordered assignment of the whole
exam. A name stands unless another phase fits better; then it is a conflict. An acquisition
without a name gets a phase when the next best one is dearer by the margin that the source of
time zero demands (`time_zero.csv`); else it is `post` when it certainly followed the
injection, and otherwise stays unclassified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.harmonise.decide import CT_PHASE_LABELS, MR_PHASE_LABELS, Decision
from tasks.harmonise.dynamics import (
    as_container,
    begins_anew,
    broken_off,
    is_dynamic_mri,
    off_the_organ,
    time_resolved,
)
from tasks.harmonise.exam_items import ExamItem
from tasks.harmonise.phase_solver import Acquisition, Solution, solve
from tasks.harmonise.time_zero import TimeZero, find_time_zeros, offset_s
from tasks.harmonise.timeline import Pass, passes_of
from tasks.harmonise.vocabulary import (
    UNCLASSIFIED,
    PhaseWindow,
    Rung,
    find_window,
    read_rungs,
)

_ORDER = ("pre", "art", "pvp", "late", "hbp")
_SOLVED_AS = {"pre": "pre", "art": "art", "pvp": "pvp", "hbp": "hbp"} | dict.fromkeys(
    ("del", "trans", "late"), "late"
)
_AFTER_INJECTION = frozenset({"art", "pvp", "late", "hbp"})
#: A source that makes the exam this much less usual than no source is not believed.
_IMPLAUSIBLE_COST = 2.0
#: A name gives way only to an exam that is clearly more usual; it is evidence itself.
_NAME_MARGIN = -0.7
#: That no image followed the injection must be as unusual as a phase that is inferred.
_POST_MARGIN = 2.0
_FLAGGED_FROM_S = 300.0
#: A name that so many acquisitions bear, most of which are something else, was copied.
_COPIED_FROM = 3
_NOTHING: frozenset[str] = frozenset()

Key = tuple[str, str]


@dataclass(frozen=True)
class SettledPhases:
    """Decisions of an exam by item key, and the source of time zero that was believed.

    `troubles` are the ids of findings about the exam's own statements.
    """

    decisions: Mapping[tuple[str, str], Decision]
    zero: TimeZero | None
    troubles: frozenset[str] = frozenset()


def window_of(modality: str | None, phase: str | None, agent: str = "") -> PhaseWindow | None:
    """Return the time window of a phase; delayed and transitional share one."""
    solved = _SOLVED_AS.get(phase or "")
    return None if solved is None else find_window(modality or "", solved, agent)


def has_place(phase: str | None) -> bool:
    """Return whether a phase has a place in the dynamic; post, multi and no phase have none."""
    return phase in _SOLVED_AS


def settle_phases(items: Sequence[ExamItem], agent: str) -> SettledPhases:
    """Return the decisions of an exam's dynamic after time and order had their say.

    Parameters
    ----------
    items : sequence of ExamItem
        All sub-stacks of one exam and modality, on one clock.
    agent : str
        Class of agent that headers and texts name (`tasks.harmonise.agents`).
    """
    decisions = {item.key: item.decision for item in items}
    placed = [item for item in items if _is_placed(item)]
    quick = time_resolved([item for item in placed if not has_place(item.decision.contrast_phase)])
    decisions |= {item.key: as_container(item) for item in placed if item.key in quick}
    placed = [item for item in placed if item.key not in quick]
    off = off_the_organ(placed)
    passes = passes_of(item for item in placed if item.key not in off)
    zeros = find_time_zeros(items)
    timed = [item for one in passes for item in one.items]
    if not passes or not (_has_contrast(items, zeros, agent) or is_dynamic_mri(timed)):
        # A pause between two scans is no evidence of contrast, but it can make a name doubtful.
        return SettledPhases(decisions | _copied_to_a_dynamic(passes, agent), None)
    if begins_anew(items):
        doubt = {k: _doubted(decisions[k], "TIME-REPEATED SeriesDescription") for k in decisions}
        for key in broken_off(placed):
            doubt[key] = _as_conflict(decisions[key], "TIME-BROKEN-OFF AcquisitionTime")
        return SettledPhases(doubt, None, frozenset({"LABEL_DYNAMIC_REPEATED"}))
    modality = passes[0].items[0].facts.modality or ""
    windows = _windows(modality, agent)
    if not windows:
        return SettledPhases(decisions, None)
    acquisitions = [Acquisition(p.time_s, _named_phases(p, agent), _stated_s(p)) for p in passes]
    solution, zero = _solve(acquisitions, windows, zeros)
    copied = _copied_names(acquisitions, solution)
    if copied:
        acquisitions = [
            a if a.named != copied else replace(a, named=_NOTHING) for a in acquisitions
        ]
        solution, zero = _solve(acquisitions, windows, zeros)
    rung = zero.rung if zero is not None else _rung_without_source(acquisitions)
    for i, one in enumerate(passes):
        for item in one.items:
            named = acquisitions[i].named or _between(acquisitions, solution, i)
            seen = _Seen(i, one, named, solution, rung, zero, agent)
            decision = item.decision
            if copied and _named_phases(replace(one, items=(item,)), agent) == copied:
                decision = _without_name(decision)
            decisions[item.key] = _decide(replace(item, decision=decision), seen)
    if _disbelieved(zeros, zero, rung):
        doubt = {
            item.key: _doubted(decisions[item.key], "TIME-ZERO-DISBELIEVED ContrastBolusStartTime")
            for one in passes
            for item in one.items
            if decisions[item.key].label != item.decision.label
        }
        return SettledPhases(decisions | doubt, zero, frozenset({"LABEL_START_DISBELIEVED"}))
    return SettledPhases(decisions, zero)


def _disbelieved(zeros: Sequence[TimeZero], believed: TimeZero | None, rung: Rung) -> bool:
    """Return whether the exam states a start of injection that its images contradict.

    Where the bolus was tracked, that settles it; names settle the phases as well.
    """
    if (believed is not None and believed.rung.name == "bolus_tracking") or rung.tier != "C":
        return False
    return any(zero.rung.name == "start_time" and zero is not believed for zero in zeros)


def _doubted(decision: Decision, evidence: str) -> Decision:
    """Return a decision that time would have made, as the conflict that it is."""
    if not decision.is_dynamic or (decision.tier in ("A", "B") and decision.label != UNCLASSIFIED):
        return decision if "DISBELIEVED" not in evidence else _as_conflict(decision, evidence)
    return _as_conflict(decision, evidence)


def _as_conflict(decision: Decision, evidence: str) -> Decision:
    kept = (*decision.evidence, evidence)
    return replace(decision, label=UNCLASSIFIED, tier="X", evidence=kept, contrast_phase=None)


def _stated_s(one: Pass) -> float | None:
    """Return the delay that the names of one acquisition state, when they state one."""
    stated = {item.delay_s for item in one.items} - {None}
    return next(iter(stated)) if len(stated) == 1 else None


@dataclass(frozen=True)
class _Seen:
    """One acquisition within the solution of its exam."""

    index: int
    one: Pass
    named: frozenset[str]
    solution: Solution
    rung: Rung
    zero: TimeZero | None
    agent: str

    @property
    def best(self) -> str:
        return self.solution.best(self.index)

    def margin(self, *phases: str) -> float:
        return self.solution.margin(self.index, frozenset(phases))

    @property
    def offset(self) -> float:
        """Seconds after the start of injection in the cheapest exam."""
        zero_s = self.zero.time_s if self.zero is not None else None
        return self.one.time_s - (self.solution.start_s if zero_s is None else zero_s)

    def evidence(self, rule: str) -> tuple[str, ...]:
        margin = min(self.margin(self.best), 99.0)
        source = self.zero.evidence if self.zero is not None else f"TIME-ZERO-{self._rung_name}"
        runner_up = self.solution.runner_up(self.index)
        return (
            f"{rule} AcquisitionTime={self.offset:.0f}s",
            f"PHASE-SOLVED AcquisitionTime={self.best},next={runner_up},margin={margin:.1f}",
            source,
        )

    @property
    def _rung_name(self) -> str:
        return {"named_phase": "NAMED SeriesDescription"}.get(self.rung.name, "GAP AcquisitionTime")


def _is_placed(item: ExamItem) -> bool:
    """Return whether the item is a pass over the liver that names or time may place."""
    decision = item.decision
    if not decision.is_dynamic or item.time_s is None:
        return False
    return item.can_be_timed or has_place(decision.contrast_phase)


def _has_contrast(items: Sequence[ExamItem], zeros: Sequence[TimeZero], agent: str) -> bool:
    """Return whether anything says that an agent was given in this exam."""
    after = {"post", "multi", "art", "pvp", "del", "trans", "late", "hbp"}
    return (
        bool(zeros)
        or agent not in ("unknown", "conflict")
        or any(
            item.agents or item.is_bolus_tracking or item.decision.contrast_phase in after
            for item in items
        )
    )


def _windows(modality: str, agent: str) -> list[PhaseWindow]:
    known = agent in ("extracellular", "gadoxetate", "gadobenate", "iodinated")
    found = [find_window(modality, phase, agent if known else "unknown") for phase in _ORDER]
    return [window for window in found if window is not None]


def _named_phases(one: Pass, agent: str) -> frozenset[str]:
    """Return what the names of one acquisition allow; reconstructions that differ say nothing."""
    allowed: set[frozenset[str]] = set()
    for item in one.items:
        phase, tier = item.decision.contrast_phase, item.decision.tier
        solved = _SOLVED_AS.get(phase or "") if tier in ("A", "B") else None
        if solved == "late" and agent == "gadoxetate":
            # What a console calls delayed may be transitional or hepatobiliary.
            allowed.add(frozenset({"late", "hbp"}))
        elif solved is not None:
            allowed.add(frozenset({solved}))
        elif phase == "post" and tier in ("A", "B"):
            allowed.add(_AFTER_INJECTION)
    specific = {a for a in allowed if a != _AFTER_INJECTION}
    if len(specific or allowed) != 1:
        return frozenset()
    return next(iter(specific or allowed))


def _solve(
    acquisitions: Sequence[Acquisition],
    windows: Sequence[PhaseWindow],
    zeros: Sequence[TimeZero],
) -> tuple[Solution, TimeZero | None]:
    """Solve with the first source that the exam does not contradict, or with none."""
    free = solve(acquisitions, windows)
    for zero in zeros:
        bound = solve(acquisitions, windows, (zero.earliest_s, zero.latest_s))
        if bound.total - free.total <= _IMPLAUSIBLE_COST:
            return bound, zero
    return free, None


def _between(acquisitions: Sequence[Acquisition], solution: Solution, i: int) -> frozenset[str]:
    """Return the phase that the nearest names before and after agree on, if they stand."""
    before = [k for k in range(i) if acquisitions[k].named]
    after = [k for k in range(i + 1, len(acquisitions)) if acquisitions[k].named]
    if not before or not after:
        return _NOTHING
    first, second = before[-1], after[0]
    named = acquisitions[first].named
    stand = all(solution.margin(k, named) >= _NAME_MARGIN for k in (first, second))
    return named if named == acquisitions[second].named and stand and len(named) == 1 else _NOTHING


def _copied_names(acquisitions: Sequence[Acquisition], solution: Solution) -> frozenset[str]:
    """Return the name that a copied protocol put on several phases; empty when there is none."""
    for named, count in Counter(a.named for a in acquisitions if a.named).items():
        bearers = [i for i, a in enumerate(acquisitions) if a.named == named]
        broken = sum(solution.best(i) not in named for i in bearers)
        if count >= _COPIED_FROM and 2 * broken >= count and named != _AFTER_INJECTION:
            return named
    return _NOTHING


def _copied_to_a_dynamic(passes: Sequence[Pass], agent: str) -> dict[Key, Decision]:
    """Return the parts without their name that one name bears on all passes of a dynamic.

    Four scans called plain at the times of four phases are native, or the name was copied:
    nobody knows where nothing else speaks of contrast.
    """
    windows = _windows(passes[0].items[0].facts.modality or "", agent) if passes else ()
    if not windows:
        return {}
    acquisitions = [Acquisition(p.time_s, _named_phases(p, agent), _stated_s(p)) for p in passes]
    copied = _copied_names(acquisitions, solve(acquisitions, windows))
    return {
        item.key: _without_name(item.decision)
        for one, acquisition in zip(passes, acquisitions, strict=True)
        for item in one.items
        if copied and acquisition.named == copied and has_place(item.decision.contrast_phase)
    }


def _without_name(decision: Decision) -> Decision:
    kept = (*decision.evidence, "NAME-COPIED SeriesDescription")
    return replace(decision, label=UNCLASSIFIED, tier="none", contrast_phase=None, evidence=kept)


def _rung_without_source(acquisitions: Sequence[Acquisition]) -> Rung:
    named = [a for a in acquisitions if len(a.named) == 1 and a.named != {"pre"}]
    return read_rungs()["named_phase" if named else "gap"]


def _decide(item: ExamItem, seen: _Seen) -> Decision:
    decision = item.decision
    if decision.tier == "X":
        return decision
    if has_place(decision.contrast_phase) and decision.tier in ("A", "B"):
        return _check_named(item, seen)
    if item.can_be_timed and decision.contrast_phase in (None, "post", "multi"):
        return _infer(item, seen)
    return decision


def _check_named(item: ExamItem, seen: _Seen) -> Decision:
    decision, phase = item.decision, item.decision.contrast_phase
    solved = _SOLVED_AS[phase or ""]
    allowed = {solved, "hbp"} if solved == "late" and seen.agent == "gadoxetate" else {solved}
    if seen.margin(*allowed) < _NAME_MARGIN:
        return _conflict(decision, seen)
    window = window_of(item.facts.modality, phase, seen.agent)
    offset = offset_s(item, seen.zero)
    if window is not None and offset is not None and window.holds(offset):
        evidence = (*decision.evidence, f"TIME-AGREES AcquisitionTime={offset:.0f}s")
        return replace(decision, tier="A", evidence=evidence)
    return decision


def _conflict(decision: Decision, seen: _Seen) -> Decision:
    kept = (*decision.evidence, *seen.evidence("TIME-CONFLICT"))
    return replace(decision, label=UNCLASSIFIED, tier="X", evidence=kept, contrast_phase=None)


def _infer(item: ExamItem, seen: _Seen) -> Decision:
    decision, best, needed = item.decision, seen.best, seen.rung.least_margin
    if len(seen.named) == 1 and seen.margin(*seen.named) >= _NAME_MARGIN:
        return _named(item, min(seen.named), seen, "TIME-NAMED-BESIDE", tier="B")
    window = find_window(item.facts.modality or "", best, seen.agent)
    fits = window is not None and window.holds(seen.offset)
    if fits and seen.margin(best) >= needed and _may_be(item, best):
        return _named(item, best, seen, "TIME-WINDOW")
    if seen.margin(*_AFTER_INJECTION) >= max(needed, _POST_MARGIN):
        return _named(item, "post", seen, "TIME-POST")
    if decision.contrast_phase == "post" and seen.margin(*_AFTER_INJECTION) < _NAME_MARGIN:
        return _conflict(decision, seen)
    return decision


def _may_be(item: ExamItem, phase: str) -> bool:
    # The vocabulary's native T1 is fat-suppressed; a plain one before injection is not it.
    return phase != "pre" or item.facts.modality == "CT" or item.is_fat_suppressed


def _named(item: ExamItem, phase: str, seen: _Seen, rule: str, tier: str | None = None) -> Decision:
    name = phase
    if phase == "hbp" and seen.agent not in ("gadoxetate", "gadobenate"):
        # A T1 at 10 to 30 minutes suggests a hepatobiliary agent but never proves one.
        name = "post"
    labels = CT_PHASE_LABELS if item.facts.modality == "CT" else MR_PHASE_LABELS
    if item.facts.modality == "CT" and phase == "late":
        name = "del"
    evidence = (*item.decision.evidence, *seen.evidence(rule))
    if name == "late" and seen.offset > _FLAGGED_FROM_S:
        evidence = (*evidence, "TIME-FLAGGED AcquisitionTime")
    return replace(
        item.decision,
        label=labels[name],
        tier=tier or seen.rung.tier,
        evidence=evidence,
        contrast_phase=name,
    )
