"""Criteria by status, missing evidence and the STARD flow, counted from the tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.states import Effect
from tasks.report.tables import CriterionRow, EligibilityRow, FlowRow

CRITERIA = ("I1", "I2", "I3", "I4", "I5", "E1", "E2", "E3", "E4")
DEFAULT_READING = "literal"
_EFFECTS = tuple(effect.value for effect in Effect)


@dataclass(frozen=True)
class CriterionCount:
    """How many subjects pass, fail or are undetermined at one criterion."""

    criterion_id: str
    passes: int
    fails: int
    undetermined: int


@dataclass(frozen=True)
class FlowNode:
    """One node of the flow with its depth and whether its parts sum to it."""

    node_id: str
    depth: int
    label_en: str
    label_zh: str
    n: int
    parts: int | None

    @property
    def adds_up(self) -> bool:
        """Whether the parts sum to the node; a leaf has nothing to add up."""
        return self.parts is None or self.parts == self.n


def list_readings(rows: Iterable[EligibilityRow | CriterionRow | FlowRow]) -> tuple[str, ...]:
    """Return the readings in the tables, the one in force first."""
    found = {row.reading for row in rows}
    return tuple(sorted(found, key=lambda reading: (reading != DEFAULT_READING, reading)))


def count_statuses(rows: Iterable[EligibilityRow], reading: str, n_subjects: int) -> dict[str, int]:
    """Return the number of subjects per status under a reading; together they are all subjects.

    A subject without a verdict is undetermined, as is a status that this code does not know.
    """
    counts = Counter(row.status for row in rows if row.reading == reading)
    decided = {status: counts[status] for status in ("eligible", "ineligible")}
    total = max(n_subjects, counts.total())
    return {
        "eligible": decided["eligible"],
        "undetermined": total - sum(decided.values()),
        "ineligible": decided["ineligible"],
    }


def count_criteria(
    rows: Iterable[CriterionRow], reading: str, n_subjects: int
) -> tuple[CriterionCount, ...]:
    """Return the counts of all nine criteria in registered order.

    A subject without a row for a criterion is undetermined there, as in the roll-up.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.reading == reading:
            counts[row.criterion_id][row.effect if row.effect in _EFFECTS else "undetermined"] += 1
    return tuple(
        CriterionCount(
            criterion_id=criterion,
            passes=counts[criterion]["pass"],
            fails=counts[criterion]["fail"],
            undetermined=max(n_subjects, counts[criterion].total())
            - counts[criterion]["pass"]
            - counts[criterion]["fail"],
        )
        for criterion in CRITERIA
    )


def rank_missing(rows: Iterable[CriterionRow], reading: str) -> tuple[tuple[str, int], ...]:
    """Return missing evidence and the number of subjects that lack it, most first."""
    lacking: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.reading == reading and row.effect == Effect.UNDETERMINED:
            for evidence in row.missing_evidence:
                lacking[evidence].add(row.subject_id)
    return tuple(
        sorted(
            ((name, len(who)) for name, who in lacking.items()),
            key=lambda pair: (-pair[1], pair[0]),
        )
    )


def missing_of_subject(rows: Iterable[CriterionRow], reading: str) -> dict[str, tuple[str, ...]]:
    """Return the evidence each subject lacks under a reading, sorted."""
    lacking: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.reading == reading and row.effect == Effect.UNDETERMINED:
            lacking[row.subject_id].update(row.missing_evidence)
    return {subject: tuple(sorted(names)) for subject, names in lacking.items()}


def lay_out_flow(rows: Sequence[FlowRow]) -> tuple[FlowNode, ...]:
    """Return the nodes of one flow depth first, siblings by `node_order`.

    A node whose parent is not in the flow, or that is its own ancestor, stands at the top:
    none is ever lost.
    """
    ordered = sorted(rows, key=lambda row: (row.node_order, row.node_id))
    known = {row.node_id for row in ordered}
    parts_of: dict[str | None, list[FlowRow]] = defaultdict(list)
    for row in ordered:
        parts_of[row.parent_id if row.parent_id in known else None].append(row)
    nodes: dict[str, FlowNode] = {}

    def visit(row: FlowRow, depth: int) -> None:
        if row.node_id in nodes:
            return
        parts = parts_of.get(row.node_id, [])
        nodes[row.node_id] = FlowNode(
            node_id=row.node_id,
            depth=depth,
            label_en=row.label_en,
            label_zh=row.label_zh,
            n=row.n,
            parts=sum(part.n for part in parts) if parts else None,
        )
        for part in parts:
            visit(part, depth + 1)

    for row in (*parts_of[None], *ordered):
        visit(row, 0)
    return tuple(nodes.values())
