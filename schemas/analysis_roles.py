"""The signed file of analysis roles: what each subject serves in, frozen before any result."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.rule_tables import TableShape, parse_table


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


def parse_role_rows(data: bytes | str, name: str) -> dict[str, RoleRow]:
    """Return subject_id → its line of a signed file.

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
    return {row.subject_id: row for row in rows}
