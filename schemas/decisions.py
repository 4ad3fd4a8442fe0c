"""The decision register: what the protocol leaves open, what runs, and who signed it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from schemas.errors import ContractError
from schemas.rule_tables import Cells, TableShape, parse_table


class Decision(BaseModel):
    """One row of the decision register; without `decided_by` it is unsigned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision_id: str
    criterion: str
    question: str
    option_chosen: str
    alternatives: str
    decided_by: str
    date: str
    document: str
    reason: str
    source: str

    @property
    def signed(self) -> bool:
        """Whether a named person decided, on a day, in a document."""
        return bool(self.decided_by and self.date and self.document)


_SHAPE = TableShape(
    tuple(Decision.model_fields),
    key=("decision_id",),
    stated=("decision_id", "criterion", "question", "option_chosen", "reason", "source"),
)


def parse_decisions(data: bytes | str, name: str = "decisions.csv") -> tuple[Decision, ...]:
    """Return the rows of a decision register, that of the protocol or a release's copy of it.

    Raises
    ------
    ContractError
        If a row is malformed, half signed or stands twice; the message names its line.
    """
    return tuple(parse_table(data, name, _SHAPE, _decision))


def _decision(row: Cells) -> Decision:
    decision = Decision.model_validate(row)
    if (decision.decided_by or decision.date or decision.document) and not decision.signed:
        raise ContractError(
            f"decision {decision.decision_id} is half signed",
            expected="decided_by, date and document together, or none of them",
        )
    return decision
