"""Which exam of the protocol a study is, from its labels, its agent and its date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.harmonise.agents import AgentFinding

_POST_CONTRAST = frozenset({"art", "pvp", "del", "trans", "late", "hbp", "post", "multi"})
_CLASSES_OF_TABLE = frozenset({"extracellular", "gadoxetate", "gadobenate", "other", "iodinated"})


@dataclass(frozen=True)
class RoleFinding:
    """Role, agent class as the study table has it, and the evidence for both."""

    role: str
    agent_class: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """What role and agent class of a study are decided from.

    `stated_roles` are those of the exams that the EDC states for its day, `decided_role` is a
    reviewer's.
    """

    study_uid: str
    subject_id: str | None
    modality: str | None
    study_date: str | None
    phases: frozenset[str]
    has_undecided: bool
    agent: AgentFinding
    stated_roles: frozenset[str] = frozenset()
    decided_role: RoleFinding | None = None


def assign_roles(studies: Sequence[StudyFacts]) -> dict[str, RoleFinding]:
    """Return the role of every study by UID.

    Parameters
    ----------
    studies : sequence of StudyFacts
        All studies; those of one subject are put in the order of their dates. A study
        without subject stands alone.

    Returns
    -------
    dict
        The first contrast CT by date is `baseline_ct`, the first gadoxetate MR `eob_mri`,
        the first dynamic MR with an extracellular agent `dce_mri`; two of one date tie and
        both keep the role, with evidence. Later ones are `followup`. Where the EDC states one of
        them as the exam, that one is it and earlier ones are `other`. A reviewer's role stands.
        What evidence does not settle is `other`.
    """
    findings = {study.study_uid: _role_alone(study) for study in studies}
    by_subject: dict[str, list[StudyFacts]] = {}
    for study in studies:
        if study.subject_id is not None:
            by_subject.setdefault(study.subject_id, []).append(study)
    for group in by_subject.values():
        for role in ("baseline_ct", "dce_mri", "eob_mri"):
            same = [
                s for s in group if findings[s.study_uid].role == role and s.decided_role is None
            ]
            findings.update(_in_date_order(same, findings, role))
    return findings


def _role_alone(study: StudyFacts) -> RoleFinding:
    if study.decided_role is not None:
        return study.decided_role
    agent = study.agent.agent_class
    agent_class = _agent_class_of_table(study)
    enhanced = sorted(study.phases & _POST_CONTRAST)
    evidence = study.agent.evidence
    if enhanced:
        evidence = (*evidence, f"ROLE-PHASES label={'+'.join(enhanced)}")
    if agent == "conflict":
        return RoleFinding("other", "unknown", (*evidence, "ROLE-AGENT-CONFLICT"))
    role = "other"
    if study.modality == "CT" and enhanced:
        role = "baseline_ct"
    elif study.modality == "MR" and agent == "gadoxetate":
        role = "eob_mri"
    elif study.modality == "MR" and agent == "extracellular" and enhanced:
        role = "dce_mri"
    elif enhanced and agent in ("gadobenate", "other"):
        evidence = (*evidence, f"ROLE-AGENT-{agent.upper()} D27")
    elif enhanced:
        evidence = (*evidence, "ROLE-AGENT-UNDETERMINED")
    return RoleFinding(role, agent_class, evidence or ("ROLE-NO-EVIDENCE",))


def _agent_class_of_table(study: StudyFacts) -> str:
    if study.agent.agent_class in _CLASSES_OF_TABLE:
        return study.agent.agent_class
    # Without contrast only when every image of the dynamic is known to be native.
    if study.agent.agent_class == "unknown" and study.phases == {"pre"} and not study.has_undecided:
        return "none"
    return "unknown"


def _in_date_order(
    same: Sequence[StudyFacts], findings: dict[str, RoleFinding], role: str
) -> dict[str, RoleFinding]:
    if len(same) < 2:
        return {}
    if any(study.study_date is None for study in same):
        return {s.study_uid: _with(findings[s.study_uid], "other", "ROLE-NO-DATE") for s in same}
    stated = [study for study in same if role in study.stated_roles]
    first = min(study.study_date or "" for study in stated or same)
    tie = sum(study.study_date == first for study in same) > 1
    changed = {}
    for study in same:
        finding = findings[study.study_uid]
        if (study.study_date or "") < first:
            changed[study.study_uid] = _with(finding, "other", "ROLE-BEFORE-STATED demographics")
        elif study.study_date != first:
            changed[study.study_uid] = _with(finding, "followup", "ROLE-LATER-THAN-FIRST ExamDate")
        else:
            rule = "ROLE-TIE ExamDate" if tie else "ROLE-FIRST ExamDate"
            changed[study.study_uid] = _with(finding, finding.role, rule)
    return changed


def _with(finding: RoleFinding, role: str, evidence: str) -> RoleFinding:
    return RoleFinding(role, finding.agent_class, (*finding.evidence, evidence))
