"""One study from its exams: what its role is decided from, its row, and what contradicts itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from schemas.dicom.features import InstanceFeatures
from schemas.records import ExamNote, StudyRole
from tasks.harmonise.acquisition import field_strength_t, has_implausible_field
from tasks.harmonise.agents import AgentFinding
from tasks.harmonise.exam_days import ExamDays
from tasks.harmonise.exam_items import ExamItem
from tasks.harmonise.roles import RoleFinding, StudyFacts
from tasks.harmonise.study_overrides import StudyOverride

_AGENT_OF_ROLE = {"dce_mri": "extracellular", "eob_mri": "gadoxetate"}


class SettledExam(Protocol):
    """The sub-stacks of one study and modality with everything settled about them."""

    @property
    def items(self) -> Sequence[ExamItem]:
        """Its sub-stacks."""

    @property
    def facts(self) -> InstanceFeatures:
        """What all of them share."""

    @property
    def agent(self) -> AgentFinding:
        """Its contrast agent."""

    @property
    def days(self) -> ExamDays:
        """When it was made."""

    @property
    def stated_roles(self) -> frozenset[str]:
        """Roles of the exams that the EDC states for its day."""

    @property
    def troubles(self) -> frozenset[str]:
        """Ids of findings about its own statements."""

    @property
    def reviewed(self) -> StudyOverride | None:
        """A reviewer's decision about its study."""

    @property
    def phases(self) -> frozenset[str]:
        """Contrast phases among the accepted labels of the dynamic."""

    @property
    def has_undecided(self) -> bool:
        """Whether an image that could be of the dynamic has no label."""


def main_exam(exams: Sequence[SettledExam]) -> SettledExam:
    """Return the exam of CT or MR with the most instances; a study has one modality."""
    return max(
        exams,
        key=lambda e: (
            e.facts.modality in ("CT", "MR"),
            sum(len(item.stack.members) for item in e.items),
            e.facts.modality or "",
        ),
    )


def study_facts(study_uid: str, exams: Sequence[SettledExam]) -> StudyFacts:
    """Return what role and agent class of a study are decided from."""
    main = main_exam(exams)
    return StudyFacts(
        study_uid=study_uid,
        subject_id=main.facts.subject_id,
        modality=main.facts.modality,
        study_date=main.days.day,
        phases=main.phases,
        has_undecided=main.has_undecided,
        agent=main.agent,
        stated_roles=main.stated_roles,
        decided_role=_decided_role(main),
    )


def _decided_role(exam: SettledExam) -> RoleFinding | None:
    decided = exam.reviewed
    if decided is None or not decided.role:
        return None
    agent = decided.agent_class or exam.agent.agent_class
    return RoleFinding(
        decided.role, "unknown" if agent == "conflict" else agent, (decided.evidence,)
    )


def study_role(study_uid: str, exams: Sequence[SettledExam], finding: RoleFinding) -> StudyRole:
    """Return the row of one study."""
    main = main_exam(exams)
    members = [m for item in main.items for m in item.stack.members]
    return StudyRole(
        subject_id=main.facts.subject_id,
        study_uid=study_uid,
        modality=main.facts.modality,
        role=finding.role,
        role_evidence=tuple(sorted(set(finding.evidence))),
        study_date=main.days.day,
        manufacturer=_most_common([m.manufacturer for m in members]),
        model=_most_common([m.model for m in members]),
        field_strength_t=_lowest_field_t(members),
        contrast_agent_class=finding.agent_class,
        date_source=main.days.source,
        last_date=main.days.last,
        registered_date=main.days.registered,
    )


def study_notes(study_uid: str, exam: SettledExam) -> Iterator[ExamNote]:
    """Yield what the images of one study say against each other, or against the EDC."""
    members = [m for item in exam.items for m in item.stack.members]
    found = {
        "LABEL_EXAM_DATES_DIFFER": exam.days.differs,
        "LABEL_EXAM_ON_TWO_DAYS": exam.days.on_two_days,
        "LABEL_FIELD_IMPLAUSIBLE": any(map(has_implausible_field, members)),
        "LABEL_AGENT_DIFFERS_FROM_EDC": _agent_differs(exam),
    }
    rules = sorted({*exam.troubles, *(rule for rule, holds in found.items() if holds)})
    for rule in rules:
        yield ExamNote(rule_id=rule, subject_id=exam.facts.subject_id, study_uid=study_uid)


def _agent_differs(exam: SettledExam) -> bool:
    roles = exam.stated_roles & _AGENT_OF_ROLE.keys()
    named = exam.agent.agent_class
    if exam.facts.modality != "MR" or not roles or named in ("unknown", "none"):
        return False
    return named not in {_AGENT_OF_ROLE[role] for role in roles}


def _lowest_field_t(members: Sequence[InstanceFeatures]) -> float | None:
    """Return the lowest field strength of a study; none when a value of it cannot be true."""
    if any(map(has_implausible_field, members)):
        return None
    return min((f for m in members if (f := field_strength_t(m)) is not None), default=None)


def _most_common(values: Sequence[str | None]) -> str | None:
    counts = Counter(value for value in values if value is not None)
    return max(counts, key=lambda value: (counts[value], value)) if counts else None
