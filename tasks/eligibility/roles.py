"""What a subject serves in the study: signed, once, before any AI result is read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schemas.finding_texts import make_finding
from schemas.records import Finding

NOT_ASSIGNED = "not_assigned"
_PHASE_1 = "phase1_validation"
Row = dict[str, object]


def assign_roles(
    subjects: Iterable[Mapping[str, object]], roles: Mapping[str, str]
) -> tuple[list[Row], list[Finding]]:
    """Return the rows of `subject` with their roles, and what forbids a role.

    Phase 1 is prospective, and nobody whose images may have trained the system serves in it.
    """
    rows: list[Row] = []
    findings: list[Finding] = []
    for subject in subjects:
        role = roles.get(str(subject["subject_id"]), NOT_ASSIGNED)
        if role == _PHASE_1 and not _may_validate(subject):
            findings.append(
                make_finding(
                    "protocol",
                    "ELIG_ROLE_NOT_ALLOWED",
                    str(subject["site_code"]),
                    object_type="subject",
                    object_id=str(subject["subject_id"]),
                    column="analysis_role",
                    expected=role,
                )
            )
            role = NOT_ASSIGNED
        rows.append({**subject, "analysis_role": role})
    return rows, findings


def _may_validate(subject: Mapping[str, object]) -> bool:
    prospective = subject["ascertainment"] == "prospective"
    return prospective and subject["prior_training_exposure"] == "no"
