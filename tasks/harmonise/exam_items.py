"""One sub-stack as the exam sees it: what its own text and physics settled, and its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.dicom.descriptors import read_agent_class
from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import SubStack, split_series
from tasks.harmonise.acquisition import acquired_s, acquisition_times_s, only_value, orientation_of
from tasks.harmonise.decide import Decision, decide
from tasks.harmonise.matching import Matcher, Scope, header_votes, stated_delay_s, text_votes
from tasks.harmonise.votes import Facets, Vote, resolve

_DECISIVE = ("exclusion", "family", "contrast_phase", "echo")
_CONTAINER_PHASES = frozenset({"multi", "post"})
_TRACKING_RULES = ("EXC-BOLUS-CT ", "EXC-BOLUS-MR ")
#: Fluoroscopy guides needles as well: no evidence of contrast.
_NEEDLE_WORDS = ("=fluoro", "=fluoroscopic", "=carevision", "=care_vision", "=locator")
_FAT_SUPPRESSED_OPTIONS = frozenset({"FS", "SFS", "FATSAT_GEMS", "SPECIR_GEMS"})


@dataclass(frozen=True, kw_only=True)
class ExamItem:
    """A sub-stack with what it says of itself.

    Times are in seconds since midnight; `last_time_s` is that of its last image. `extent_mm` is
    where an axial one begins and ends, feet to head (DICOM LPS). `agents` are
    the classes that its header and its texts name. `can_be_timed` says that order and time of
    acquisition may name its phase.
    """

    stack: SubStack
    decision: Decision
    orientation: str
    extent_mm: tuple[float, float] | None
    time_s: float | None
    last_time_s: float | None
    contrast_start_s: float | None
    delay_s: float | None
    agents: frozenset[str]
    agent_evidence: tuple[str, ...]
    can_be_timed: bool
    is_bolus_tracking: bool
    is_fat_suppressed: bool

    @property
    def key(self) -> tuple[str, str]:
        """Primary key of the series table."""
        return self.stack.series_uid, self.stack.digest

    @property
    def facts(self) -> InstanceFeatures:
        """The first member, for what all members share."""
        return self.stack.members[0]


def make_items(instances: Sequence[InstanceFeatures], matcher: Matcher) -> list[ExamItem]:
    """Split one series and return the exam item of each sub-stack."""
    stacks = split_series(instances)
    times_s = acquisition_times_s([stack.members for stack in stacks])
    return [_make_item(s, time_s, matcher) for s, time_s in zip(stacks, times_s, strict=True)]


def _make_item(stack: SubStack, time_s: float | None, matcher: Matcher) -> ExamItem:
    """Return the exam item of a sub-stack: texts in order, physics, agents, times."""
    first = stack.members[0]
    scope = Scope(first.modality, first.manufacturer)
    physics = _physics(stack.members, matcher, scope)
    text = _text(first, matcher, scope, is_split=bool(stack.split_by))
    agents, agent_evidence = _agents(stack.members)
    decision = decide(first.modality, text, physics)
    orientation = orientation_of(stack.members)
    return ExamItem(
        stack=stack,
        decision=decision,
        orientation=orientation,
        extent_mm=_extent_mm(stack.members) if orientation == "axial" else None,
        time_s=time_s,
        last_time_s=_last_time_s(stack.members, time_s),
        contrast_start_s=only_value([m.contrast_start_time_s for m in stack.members]),
        delay_s=stated_delay_s(first.series_description, first.modality),
        agents=agents,
        agent_evidence=agent_evidence,
        can_be_timed=decision.is_dynamic and _is_dynamic_geometry(first, orientation, physics),
        is_bolus_tracking=any(
            e.startswith(_TRACKING_RULES) and not e.endswith(_NEEDLE_WORDS)
            for e in decision.evidence
        ),
        is_fat_suppressed=_is_fat_suppressed(first, text, physics),
    )


def _extent_mm(members: Sequence[InstanceFeatures]) -> tuple[float, float] | None:
    feet_to_head = [m.position_lps[2] for m in members if len(m.position_lps) == 3]
    return (min(feet_to_head), max(feet_to_head)) if feet_to_head else None


def _last_time_s(members: Sequence[InstanceFeatures], first_s: float | None) -> float | None:
    if first_s is None:
        return None
    stamped = [t for m in members if (t := acquired_s(m)) is not None]
    return max([first_s, *stamped])


def _physics(members: Sequence[InstanceFeatures], matcher: Matcher, scope: Scope) -> Facets:
    highest_b = max(members, key=lambda m: m.b_value or 0.0)
    sample = {id(m): m for m in (members[0], members[-1], highest_b)}
    votes: dict[Vote, None] = {}
    for member in sample.values():
        votes.update(dict.fromkeys(header_votes(matcher, member, scope)))
    return resolve(votes)


def _text(first: InstanceFeatures, matcher: Matcher, scope: Scope, *, is_split: bool) -> Facets:
    described = text_votes(matcher, first.series_description, scope, "SeriesDescription")
    if is_split:
        # The container's name no longer fits a part that was split out of it.
        described = [v for v in described if v.value != "multi"]
    said = resolve(described)
    if any(said[facet].votes for facet in _DECISIVE) or scope.modality == "CT":
        return said
    # GE and CT protocols name the whole exam; elsewhere the protocol is the series' own name,
    # but one container or post-contrast word in it does not fit each of its series.
    votes = text_votes(matcher, first.sequence_name, scope, "SequenceName")
    if scope.vendor != "GE":
        votes += [
            v
            for v in text_votes(matcher, first.protocol_name, scope, "ProtocolName")
            if v.value not in _CONTAINER_PHASES
        ]
    return said.or_else(resolve(votes))


def _agents(members: Iterable[InstanceFeatures]) -> tuple[frozenset[str], tuple[str, ...]]:
    found: set[tuple[str, str]] = set()
    for member in members:
        if member.agent_class is not None:
            found.add((member.agent_class, "AGENT-HEADER ContrastBolusAgent"))
        for keyword, text in (
            ("SeriesDescription", member.series_description),
            ("ProtocolName", member.protocol_name),
        ):
            agent = read_agent_class(text) if text else None
            if agent is not None:
                found.add((agent, f"AGENT-TEXT {keyword}"))
    evidence = tuple(sorted(f"{source}={agent}" for agent, source in found))
    return frozenset(agent for agent, _ in found), evidence


def _is_dynamic_geometry(first: InstanceFeatures, orientation: str, physics: Facets) -> bool:
    if orientation != "axial":
        return False
    if first.modality == "CT":
        return True
    return any(vote.rule_id == "PHYS-T1-GRE3D" for vote in physics["family"].votes)


def _is_fat_suppressed(first: InstanceFeatures, text: Facets, physics: Facets) -> bool:
    return (
        text["fat_sat"].value == "yes"
        or "water" in (text["dixon"].value, physics["dixon"].value)
        or bool(_FAT_SUPPRESSED_OPTIONS.intersection(first.scan_options))
    )
