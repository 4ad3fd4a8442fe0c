"""Decisions of reviewers about whole studies: role and agent, who, when, why."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO

from schemas.errors import ContractError
from schemas.rule_tables import TableShape, parse_table
from tasks.harmonise.overrides import is_author, is_day

STUDY_COLUMNS = ("study_uid", "role", "agent_class", "author", "date", "reason")
#: What a reviewer may call a study, and the agent of one.
REVIEW_ROLES = ("baseline_ct", "dce_mri", "eob_mri", "followup", "other")
REVIEW_AGENTS = ("extracellular", "gadoxetate", "gadobenate", "other", "iodinated", "none")
_SHAPE = TableShape(STUDY_COLUMNS, key=("study_uid",), stated=(), may_be_empty=True)
_UID = re.compile(r"[0-9.]{3,64}")


@dataclass(frozen=True)
class StudyOverride:
    """One reviewer's decision about one study; an empty role or agent leaves that to the rules."""

    study_uid: str
    role: str
    agent_class: str
    author: str
    day: str
    reason: str

    @property
    def evidence(self) -> str:
        """What a role made by this decision shows; the reason stays in the file of decisions."""
        return f"REVIEWER {self.author} {self.day}"


def parse_study_overrides(text: bytes | str, file_name: str) -> dict[str, StudyOverride]:
    """Parse the reviewers' decisions about studies, by study UID.

    Raises
    ------
    ContractError
        If a row cannot be used; names file, line and reason.
    """
    rows = parse_table(text, file_name, _SHAPE, make_study_override)
    return {row.study_uid: row for row in rows}


def make_study_override(row: Mapping[str, str | None], where: str = "") -> StudyOverride:
    """Return the decision of one row, or refuse it by file, line and reason."""
    values = [(row.get(column) or "").strip() for column in STUDY_COLUMNS]
    study_uid, role, agent, author, day, reason = values
    if not _UID.fullmatch(study_uid):
        raise ContractError("no study UID", where=where)
    if not (role or agent) or (role and role not in REVIEW_ROLES):
        raise ContractError(
            "a role that does not exist, or none", expected=", ".join(REVIEW_ROLES), where=where
        )
    if agent and agent not in REVIEW_AGENTS:
        raise ContractError(
            "an agent that does not exist", expected=", ".join(REVIEW_AGENTS), where=where
        )
    if not is_author(author) or not is_day(day) or not reason:
        raise ContractError(
            "no author, date or reason", expected="a short code, YYYY-MM-DD and words", where=where
        )
    return StudyOverride(study_uid, role, agent, author, day, reason)


def render_study_overrides(overrides: Iterable[StudyOverride]) -> str:
    """Return a file of decisions, sorted by study."""
    stream = StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(STUDY_COLUMNS)
    for o in sorted(overrides, key=lambda o: o.study_uid):
        writer.writerow((o.study_uid, o.role, o.agent_class, o.author, o.day, o.reason))
    return stream.getvalue()
