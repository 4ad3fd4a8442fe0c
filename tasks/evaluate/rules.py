"""What was decided about the outcomes: how lesions match, what a rate means, whether p-values show.

What nobody signed runs with the proposal and is said to be unsigned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from schemas.decisions import Decision
from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableShape, read_table
from tasks.evaluate.matching import Method, Rule

_SHAPE = TableShape(
    ("rule_id", "option_chosen", "method", "threshold", "reason", "source"),
    key=("rule_id",),
    stated=("rule_id", "method", "threshold", "reason", "source"),
)
_MATCHING, _MISDIAGNOSIS, _PLAN = "D20", "D19", "D40"
_MISDIAGNOSIS_PROPOSAL = "1 - specificity"
MISDIAGNOSIS_ALTERNATIVE = "1 - accuracy"
_PLAN_OPTION = "signed plan: p-values are shown"


@dataclass(frozen=True)
class MatchingRules:
    """The primary rule, whether it was signed, and the rules reported beside it, by name."""

    name: str
    primary: Rule
    decided: bool
    others: dict[str, Rule]


@dataclass(frozen=True)
class Decided:
    """What is in force in a release."""

    matching: MatchingRules
    misdiagnosis: str
    plan_signed: bool


def decided_in(decisions: Sequence[Decision]) -> Decided:
    """Return what a release's register of decisions says.

    Raises
    ------
    ContractError
        If a signed option is one that nobody can compute.
    """
    by_id = {one.decision_id: one for one in decisions}
    plan = by_id.get(_PLAN)
    return Decided(
        matching=_matching(by_id.get(_MATCHING)),
        misdiagnosis=_misdiagnosis(by_id.get(_MISDIAGNOSIS)),
        plan_signed=plan is not None and plan.signed and plan.option_chosen == _PLAN_OPTION,
    )


def _matching(decision: Decision | None) -> MatchingRules:
    rows = read_matching_rules()
    by_option = {row["option_chosen"]: row for row in rows if row["option_chosen"]}
    chosen = by_option.get(decision.option_chosen) if decision else rows[0]
    if chosen is None:
        raise ContractError(
            f"decision {_MATCHING} chooses what nobody can compute",
            expected=" | ".join(by_option),
            where="decisions.csv of the release",
        )
    primary = _rule(chosen)
    others = {row["rule_id"]: _rule(row) for row in rows if not row["option_chosen"]}
    beside = {name: rule for name, rule in others.items() if rule != primary}
    return MatchingRules(
        chosen["rule_id"].removesuffix("_signed"),
        primary,
        decision is not None and decision.signed,
        beside,
    )


def _misdiagnosis(decision: Decision | None) -> str:
    found = decision.option_chosen if decision else _MISDIAGNOSIS_PROPOSAL
    if found not in (_MISDIAGNOSIS_PROPOSAL, MISDIAGNOSIS_ALTERNATIVE):
        raise ContractError(
            f"decision {_MISDIAGNOSIS} chooses what nobody can compute",
            expected=f"{_MISDIAGNOSIS_PROPOSAL} | {MISDIAGNOSIS_ALTERNATIVE}",
            where="decisions.csv of the release",
        )
    return found


@cache
def read_matching_rules() -> tuple[Cells, ...]:
    """Return the rows of the table of matching rules that ships."""
    return parse_matching_rules(data_contracts_dir() / "evaluation" / "matching_rules.csv")


def parse_matching_rules(path: Path) -> tuple[Cells, ...]:
    """Return the rows of a table of matching rules; refuses by ContractError with the line."""
    return tuple(read_table(path, _SHAPE, _row))


def _row(cells: Cells) -> Cells:
    _rule(cells)
    return cells


def _rule(cells: Cells) -> Rule:
    threshold = float(cells["threshold"])
    if threshold <= 0:
        raise ValueError("a threshold is above 0")
    return Rule(Method(cells["method"]), threshold)
