"""What a subject serves in the study: signed, once, before any AI result is read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.finding_texts import make_finding
from schemas.records import Finding
from schemas.rule_tables import TableShape, parse_table

NOT_ASSIGNED = "not_assigned"
_PHASE_1 = "phase1_validation"
Row = dict[str, object]


class RoleRow(BaseModel):
    """One line of the signed file of analysis roles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject_id: str = Field(pattern=r"[SX]\d{2,3}-[A-Z2-7]{8}")
    analysis_role: Literal["phase1_validation", "phase2_development", "phase2_validation"]
    model_version: str = Field(min_length=1)
    assigned_by: str = Field(min_length=1)
    assigned_on: str = Field(pattern=r"\d{4}-\d{2}-\d{2}")
    document: str = Field(min_length=1)


_SHAPE = TableShape(
    tuple(RoleRow.model_fields), key=("subject_id",), stated=tuple(RoleRow.model_fields)
)


def parse_roles(data: bytes | str, name: str) -> dict[str, str]:
    """Return subject_id → analysis role from a signed file.

    Parameters
    ----------
    data : bytes or str
        CSV with the columns of `RoleRow`.
    name : str
        Name of the file, for the error.

    Raises
    ------
    ContractError
        If a line is malformed or unsigned, or one subject has two roles; names the line.
    """
    rows = parse_table(data, name, _SHAPE, RoleRow.model_validate)
    return {row.subject_id: row.analysis_role for row in rows}


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
