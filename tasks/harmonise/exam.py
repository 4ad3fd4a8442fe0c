"""Labels and roles of whole exams: the one entry for ingest, release and a folder alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import group_by_series
from schemas.records import CohortLabels, SeriesLabel, StatedExam
from tasks.harmonise.acquisition import (
    count_missing_slices,
    field_strength_t,
    one_length_mm,
    only_value,
    position_spacing_mm,
)
from tasks.harmonise.agents import AgentFinding, agent_of_edc, apply_agent, find_agent
from tasks.harmonise.decide import Decision
from tasks.harmonise.exam_days import exam_days
from tasks.harmonise.exam_items import ExamItem, make_items
from tasks.harmonise.matching import read_matcher
from tasks.harmonise.overrides import Key, Override, decided
from tasks.harmonise.reconstruction import energies, is_diagnostic, kernel_class
from tasks.harmonise.roles import RoleFinding, assign_roles
from tasks.harmonise.rules import read_rules
from tasks.harmonise.stated_exams import roles_on
from tasks.harmonise.studies import main_exam, study_facts, study_notes, study_role
from tasks.harmonise.study_overrides import StudyOverride
from tasks.harmonise.thickness import check_thickness, slice_thickness_mm
from tasks.harmonise.time_zero import offset_s
from tasks.harmonise.timeline import on_one_clock
from tasks.harmonise.timing import SettledPhases, settle_phases
from tasks.harmonise.vocabulary import UNCLASSIFIED, read_labels


def label_instances(
    features: Sequence[InstanceFeatures],
    overrides: Mapping[Key, Override] | None = None,
    *,
    stated: Sequence[StatedExam] = (),
    study_overrides: Mapping[str, StudyOverride] | None = None,
) -> CohortLabels:
    """Label every sub-stack and give every study its role.

    Series are split before labelling (`schemas.dicom.sub_stacks`). An exam is one study and
    modality: its agent and its contrast phases are settled together.

    Parameters
    ----------
    features : sequence of InstanceFeatures
        Instances of any number of subjects and studies, in any order. Those without a
        series UID cannot be placed and are left out; without a study UID the series is an
        exam of its own and no study gets a role for it.
    overrides : mapping, optional
        Reviewers' decisions by sub-stack; they stand above every rule, and fix the phases of
        the exam as names do.
    stated : sequence of StatedExam
        The EDC's exams, with days shifted as those of the images: which MRI an exam is when
        its images name no agent, and which of several is the baseline.
    study_overrides : mapping, optional
        Reviewers' decisions about role and agent by study UID; they stand above every rule.

    Returns
    -------
    CohortLabels
        Series sorted by series UID and digest, studies by UID. What evidence does not settle
        is UNCLASSIFIED, or of role `other`.
    """
    matcher = read_matcher()
    exams: dict[tuple[str, str], list[ExamItem]] = {}
    for series_uid, members in group_by_series(features).items():
        for item in make_items(members, matcher):
            key = (item.facts.study_uid or f"series {series_uid}", item.facts.modality or "")
            exams.setdefault(key, []).append(item)
    of_subject: dict[str, list[StatedExam]] = {}
    for one in stated:
        of_subject.setdefault(one.subject_id, []).append(one)
    reviewed = study_overrides or {}
    settled = {
        key: _Exam(items, overrides or {}, of_subject, reviewed.get(key[0]))
        for key, items in sorted(exams.items())
    }
    by_study: dict[str, list[_Exam]] = {}
    for exam in settled.values():
        if exam.study_uid is not None:
            by_study.setdefault(exam.study_uid, []).append(exam)
    roles = assign_roles([study_facts(uid, parts) for uid, parts in sorted(by_study.items())])
    series = [
        label for exam in settled.values() for label in exam.labels(roles.get(exam.study_uid or ""))
    ]
    return CohortLabels(
        series=tuple(sorted(series, key=lambda s: (s.series_uid, s.sub_stack_digest))),
        studies=tuple(study_role(uid, by_study[uid], roles[uid]) for uid in sorted(by_study)),
        notes=tuple(
            note for uid in sorted(by_study) for note in study_notes(uid, main_exam(by_study[uid]))
        ),
    )


class _Exam:
    """The sub-stacks of one study and modality with everything settled about them."""

    def __init__(
        self,
        items: Sequence[ExamItem],
        overrides: Mapping[Key, Override],
        stated: Mapping[str, Sequence[StatedExam]],
        reviewed: StudyOverride | None,
    ) -> None:
        self.items = sorted(
            (_reviewed(item, overrides) for item in on_one_clock(items)),
            key=lambda item: item.key,
        )
        self.facts = self.items[0].facts
        self.study_uid = self.facts.study_uid
        self.reviewed = reviewed
        said = {item.key: item.decision for item in self.items}
        self._settle(find_agent(self.items, said), overrides)
        self.days = exam_days(
            [m for item in self.items for m in item.stack.members],
            [m for item in self._enhanced() for m in item.stack.members],
        )
        self.stated_roles = roles_on(stated, self.facts.subject_id, self.days.day)
        told = agent_of_edc(self.agent, self.phases, self.stated_roles)
        if told != self.agent:
            self._settle(told, overrides)
        self.energies = energies(self.items)

    def _settle(self, agent: AgentFinding, overrides: Mapping[Key, Override]) -> None:
        """Give every part its label with an agent that headers, the EDC or a reviewer name."""
        if self.reviewed is not None and self.reviewed.agent_class:
            agent = AgentFinding(self.reviewed.agent_class, (self.reviewed.evidence,))
        said = {item.key: item.decision for item in self.items}
        timed = settle_phases(self.items, agent.agent_class)
        self.zero, self.troubles = timed.zero, timed.troubles
        self.agent = self._agent_after(agent, timed)
        fitted = apply_agent(self.items, timed.decisions, self.agent, self.zero)
        said |= _with_single_ct(self.items, fitted, self.agent)
        said |= {i.key: i.decision for i in self.items if i.key in overrides}
        self.decisions: Mapping[Key, Decision] = said

    def _agent_after(self, agent: AgentFinding, timed: SettledPhases) -> AgentFinding:
        """Return the agent; one that nothing named may follow from the phases that time gave."""
        return agent if agent.agent_class != "unknown" else find_agent(self.items, timed.decisions)

    def _enhanced(self) -> list[ExamItem]:
        return [i for i in self.items if self.decisions[i.key].contrast_phase not in (None, "pre")]

    @property
    def phases(self) -> frozenset[str]:
        """Contrast phases among the accepted labels of the dynamic."""
        return frozenset(
            d.contrast_phase
            for d in self.decisions.values()
            if d.is_dynamic and d.label != UNCLASSIFIED and d.contrast_phase is not None
        )

    @property
    def has_undecided(self) -> bool:
        """Whether an image that could be of the dynamic has no label."""
        return any(
            d.label == UNCLASSIFIED and (d.is_dynamic or d.weighting in ("T1", "other"))
            for d in self.decisions.values()
        )

    def labels(self, role: RoleFinding | None) -> list[SeriesLabel]:
        """Return one row per sub-stack."""
        return [self._label(item, self.decisions[item.key], role) for item in self.items]

    def _label(self, item: ExamItem, decision: Decision, role: RoleFinding | None) -> SeriesLabel:
        definition = read_labels()[decision.label]
        members, facts = item.stack.members, item.facts
        thickness = slice_thickness_mm(members)
        spacing = position_spacing_mm(members)
        phase = definition.contrast_phase
        kernel, energy = kernel_class(facts), self.energies.get(item.key)
        fills = definition.shows_tissue and is_diagnostic(item, kernel, energy)
        return SeriesLabel(
            subject_id=facts.subject_id,
            study_uid=facts.study_uid,
            series_uid=item.stack.series_uid,
            sub_stack_digest=item.stack.digest,
            modality=facts.modality,
            label=decision.label,
            contrast_phase=phase,
            label_tier=decision.tier,
            label_evidence=tuple(sorted(set(decision.evidence))),
            mapping_version=read_rules().mapping_version,
            weighting=decision.weighting,
            agent_class=role.agent_class if role else "unknown",
            orientation=item.orientation,
            n_slices=_n_slices(members, spacing),
            n_missing_slices=count_missing_slices(members),
            slice_thickness_mm=thickness,
            spacing_between_slices_mm=one_length_mm([m.spacing_between_slices_mm for m in members]),
            slice_gap_mm=None if None in (thickness, spacing) else _gap_mm(spacing, thickness),
            thickness_limit_mm=definition.thickness_limit_mm,
            thickness_verdict=check_thickness(
                thickness, definition.thickness_limit_mm, item.orientation, facts.image_type
            ),
            field_strength_t=field_strength_t(facts),
            required_for_protocol=fills
            and role is not None
            and role.role in definition.required_in,
            acquisition_time_offset_s=offset_s(item, self.zero),
            kernel_class=kernel,
            energy=energy,
            is_diagnostic=fills,
        )


def _reviewed(item: ExamItem, overrides: Mapping[Key, Override]) -> ExamItem:
    override = overrides.get(item.key)
    if override is None:
        return item
    return replace(item, decision=decided(item.decision, override), can_be_timed=False)


def _n_slices(members: Sequence[InstanceFeatures], spacing_mm: float | None) -> int:
    """Return how many slices there are, those beside each other in a mosaic counted singly."""
    tiles = only_value([m.mosaic_tiles for m in members])
    if tiles is not None:
        return int(tiles)
    return len({m.position_lps for m in members}) if spacing_mm else len(members)


def _gap_mm(spacing: float | None, thickness: float | None) -> float | None:
    return None if spacing is None or thickness is None else round(spacing - thickness, 3)


def _with_single_ct(
    items: Sequence[ExamItem], decisions: Mapping[tuple[str, str], Decision], agent: AgentFinding
) -> Mapping[tuple[str, str], Decision]:
    """Call the only acquisition of a CT with an agent enhanced; of several, one may be native."""
    dynamic = [item for item in items if decisions[item.key].is_dynamic]
    times = {item.time_s for item in dynamic}
    named = any(decisions[item.key].tier not in ("none",) for item in dynamic)
    header = any(e.startswith("AGENT-HEADER") for e in agent.evidence)
    if agent.agent_class != "iodinated" or not header or named or len(times) != 1 or None in times:
        return decisions
    settled = dict(decisions)
    for item in dynamic:
        settled[item.key] = replace(
            decisions[item.key],
            label="CT_CE",
            tier="B",
            evidence=("AGENT-SINGLE-ACQUISITION ContrastBolusAgent",),
            contrast_phase="post",
        )
    return settled
