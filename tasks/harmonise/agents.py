"""The contrast agent of an exam, and what it makes of delayed and hepatobiliary images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.harmonise.decide import Decision
from tasks.harmonise.exam_items import ExamItem
from tasks.harmonise.time_zero import TimeZero, offset_s
from tasks.harmonise.timing import has_place, window_of
from tasks.harmonise.vocabulary import UNCLASSIFIED

_LATE_LABELS = {
    "gadoxetate": ("trans", "MR_T1_TRANS"),
    "extracellular": ("del", "MR_T1_DEL"),
    "gadobenate": ("del", "MR_T1_DEL"),
}
#: Late arterial images are taken about this long after injection (trial vocabulary 15-45 s).
_ARTERIAL_S = 30.0


@dataclass(frozen=True)
class AgentFinding:
    """The class of agent: one of `contrast_agents.csv`, unknown or conflict."""

    agent_class: str
    evidence: tuple[str, ...] = ()


def find_agent(
    items: Sequence[ExamItem], decisions: Mapping[tuple[str, str], Decision]
) -> AgentFinding:
    """Return the agent that headers and texts name; a hepatobiliary phase names gadoxetate.

    A hepatobiliary phase alone does not override a named gadobenate, which has one as well.
    """
    allowed = {"iodinated"} if any(i.facts.modality == "CT" for i in items) else _MR_CLASSES
    named = frozenset().union(*(item.agents for item in items)) & allowed
    evidence = tuple(
        sorted({e for i in items for e in i.agent_evidence if e.rpartition("=")[2] in allowed})
    )
    if len(named) > 1:
        return AgentFinding("conflict", evidence)
    if named:
        return AgentFinding(next(iter(named)), evidence)
    stated = [i for i in items if decisions[i.key].contrast_phase in ("hbp", "trans")]
    early = [i for i in stated if (i.delay_s or 0) <= _LATEST_GADOXETATE_S]
    if early:
        return AgentFinding("gadoxetate", ("AGENT-PHASE SeriesDescription=hbp",))
    return AgentFinding("unknown")


_MR_CLASSES = frozenset({"gadoxetate", "extracellular", "gadobenate", "other"})
#: What the exam of a role is given (protocol I4).
_AGENT_OF_ROLE = {"dce_mri": "extracellular", "eob_mri": "gadoxetate"}
_DYNAMIC = frozenset({"art", "pvp"})
#: Liver images an hour and more after injection are those of gadobenate.
_LATEST_GADOXETATE_S = 3600.0


def agent_of_edc(
    agent: AgentFinding, phases: frozenset[str], stated_roles: frozenset[str]
) -> AgentFinding:
    """Return the agent of the MRI that the EDC states for this day, where the images name none.

    Parameters
    ----------
    agent : AgentFinding
        What the images say; any agent of theirs stands.
    phases : frozenset of str
        Accepted phases; without an arterial and a portal venous one it is no such MRI.
    stated_roles : frozenset of str
        Roles of the exams that the EDC states for the day; two MRI of one day tell nothing.
    """
    roles = sorted(stated_roles & _AGENT_OF_ROLE.keys())
    if agent.agent_class != "unknown" or not phases >= _DYNAMIC or len(roles) != 1:
        return agent
    return AgentFinding(_AGENT_OF_ROLE[roles[0]], (f"AGENT-EDC demographics={roles[0]}",))


def apply_agent(
    items: Sequence[ExamItem],
    decisions: Mapping[tuple[str, str], Decision],
    agent: AgentFinding,
    zero: TimeZero | None,
) -> dict[tuple[str, str], Decision]:
    """Return the decisions with delayed, transitional and hepatobiliary made to fit the agent.

    With gadoxetate there is no delayed phase: what a console calls delayed is transitional
    in the window of minutes and hepatobiliary after ten, and a conflict when no time tells.
    """
    arterial_s = _arterial_time_s(items, decisions)
    settled = {}
    for item in items:
        decision = decisions[item.key]
        if item.facts.modality == "MR" and decision.is_dynamic and decision.label != UNCLASSIFIED:
            offset = _offset_after_injection_s(item, zero, arterial_s)
            decision = _fit(item, decision, agent.agent_class, offset)
        settled[item.key] = decision
    return settled


def _arterial_time_s(
    items: Sequence[ExamItem], decisions: Mapping[tuple[str, str], Decision]
) -> float | None:
    times = [
        item.time_s
        for item in items
        if item.time_s is not None and decisions[item.key].contrast_phase == "art"
    ]
    return min(times, default=None)


def _offset_after_injection_s(
    item: ExamItem, zero: TimeZero | None, arterial_s: float | None
) -> float | None:
    measured = offset_s(item, zero)
    if measured is not None or item.time_s is None or arterial_s is None:
        return item.delay_s if measured is None else measured
    return item.time_s - arterial_s + _ARTERIAL_S


def _fit(item: ExamItem, decision: Decision, agent: str, offset: float | None) -> Decision:
    phase = decision.contrast_phase
    if phase in ("hbp", "trans") and agent in ("extracellular", "other"):
        return _agent_conflict(decision)
    if phase == "trans" and agent == "gadobenate":
        return _agent_conflict(decision)
    if phase == "late" and agent in _LATE_LABELS:
        return _relabelled(decision, *_LATE_LABELS[agent], "AGENT-DECIDES-LATE")
    if phase == "del" and agent == "gadoxetate":
        return _fit_delayed_gadoxetate(decision, offset)
    if not has_place(phase) and agent == "gadoxetate" and _states_hbp(item):
        return _relabelled(decision, "hbp", "MR_T1_HBP", "AGENT-STATED-DELAY")
    return decision


def _fit_delayed_gadoxetate(decision: Decision, offset: float | None) -> Decision:
    late, hbp = window_of("MR", "late"), window_of("MR", "hbp")
    if offset is not None and hbp is not None and hbp.holds(offset):
        return _relabelled(decision, "hbp", "MR_T1_HBP", "AGENT-DELAYED-IS-HBP")
    if offset is not None and late is not None and late.from_s <= offset < (hbp or late).from_s:
        return _relabelled(decision, "trans", "MR_T1_TRANS", "AGENT-DELAYED-IS-TRANSITIONAL")
    return _agent_conflict(decision)


def _states_hbp(item: ExamItem) -> bool:
    window = window_of("MR", "hbp")
    return item.delay_s is not None and window is not None and window.holds(item.delay_s)


def _agent_conflict(decision: Decision) -> Decision:
    return replace(
        decision,
        label=UNCLASSIFIED,
        tier="X",
        evidence=(*decision.evidence, "AGENT-CONFLICT ContrastBolusAgent"),
        contrast_phase=None,
    )


def _relabelled(decision: Decision, phase: str, label: str, rule: str) -> Decision:
    evidence = (*decision.evidence, f"{rule} ContrastBolusAgent")
    return replace(decision, label=label, tier="B", evidence=evidence, contrast_phase=phase)
