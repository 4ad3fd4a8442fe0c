"""Why rows changed, as far as the tables themselves tell it. Pure.

`change_reasons.yaml` says each reason in words; nothing is guessed, and a change that no
reason explains has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tasks.publish.diff.compare import RowPairs

CONSENT_WITHDRAWN, SUPPRESSED, ERASED = "consent_withdrawn", "suppressed", "erased"
#: Why a subject left that took its consent back, or whose data were destroyed.
WITHDREW = frozenset({CONSENT_WITHDRAWN, SUPPRESSED, ERASED})
IDENTIFIER_HELD = "identifier_held"
SUBJECT_REMOVED, NEW_SUBJECT = "subject_removed", "new_subject"
NEW_DELIVERY, LABELLING_RULES = "new_delivery", "labelling_rules"
DECISION, EVIDENCE, CONTRACT = "decision", "evidence", "contract"

#: Computed from the others at every release.
DERIVED_TABLES = ("criterion_result", "eligibility", "stard_flow")
_ORIGIN_COLUMNS = ("batch_id", "source_sha256")
_RULED_BY = ("decisions_sha256", "protocol_version")


@dataclass(frozen=True, kw_only=True)
class ChangeContext:
    """What else changed between the two releases.

    Parameters
    ----------
    known_batches : frozenset of str
        Batches the release before was made of.
    subjects_added, subjects_removed : frozenset of str
        Pseudonyms.
    removed_because : mapping of str to str
        Pseudonym → reason, for removed subjects of whom it is known.
    registers_changed : tuple of str
        Names of registers and contracts that differ.
    """

    known_batches: frozenset[str] = frozenset()
    subjects_added: frozenset[str] = frozenset()
    subjects_removed: frozenset[str] = frozenset()
    removed_because: Mapping[str, str] = field(default_factory=dict)
    registers_changed: tuple[str, ...] = ()


def row_reasons(
    pairs: RowPairs, context: ChangeContext, touched: frozenset[str]
) -> dict[str, list[str]]:
    """Return a reason for each added, removed and paired row; empty where none is known.

    Parameters
    ----------
    pairs : RowPairs
        The rows of one table.
    context : ChangeContext
        What else changed.
    touched : frozenset of str
        Subjects of whom a source row changed; only derived tables look at it.
    """
    other = _otherwise(pairs.name, context)
    return {
        "added": _added(pairs, context, touched, other),
        "removed": _removed(pairs, context, touched, other),
        "paired": _paired(pairs, context, touched, other),
    }


def _otherwise(table: str, context: ChangeContext) -> str:
    if table in DERIVED_TABLES and set(_RULED_BY) & set(context.registers_changed):
        return DECISION
    return CONTRACT if f"contract {table}" in context.registers_changed else ""


def _added(
    pairs: RowPairs, context: ChangeContext, touched: frozenset[str], other: str
) -> list[str]:
    rows = pairs.added
    subjects = _texts(rows, "subject_id")
    batches = _texts(rows, "batch_id")
    return [
        NEW_SUBJECT
        if subject in context.subjects_added
        else NEW_DELIVERY
        if batch and batch not in context.known_batches
        else _derived(pairs.name, subject, touched, other)
        for subject, batch in zip(subjects, batches, strict=True)
    ]


def _removed(
    pairs: RowPairs, context: ChangeContext, touched: frozenset[str], other: str
) -> list[str]:
    return [
        context.removed_because.get(subject, SUBJECT_REMOVED)
        if subject in context.subjects_removed
        else _derived(pairs.name, subject, touched, other)
        for subject in _texts(pairs.removed, "subject_id")
    ]


def _paired(
    pairs: RowPairs, context: ChangeContext, touched: frozenset[str], other: str
) -> list[str]:
    delivered = _any_differs(pairs, _ORIGIN_COLUMNS)
    ruled = _any_differs(pairs, ("mapping_version",))
    subjects = _texts(pairs.after, "subject_id")
    return [
        NEW_DELIVERY
        if new
        else LABELLING_RULES
        if rules
        else _derived(pairs.name, subject, touched, other)
        for new, rules, subject in zip(delivered, ruled, subjects, strict=True)
    ]


def _derived(table: str, subject: str, touched: frozenset[str], other: str) -> str:
    if table in DERIVED_TABLES and subject and subject in touched:
        return EVIDENCE
    return other


def _any_differs(pairs: RowPairs, names: tuple[str, ...]) -> list[bool]:
    found = pa.repeat(pa.scalar(False), pairs.after.num_rows)
    for name in names:
        if name in pairs.after.column_names and name in pairs.before.column_names:
            one, other = (pc.fill_null(t[name], "") for t in (pairs.before, pairs.after))
            found = pc.or_(found, pc.not_equal(one, other))
    return found.to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types


def _texts(table: pa.Table, name: str) -> list[str]:
    if name not in table.column_names:
        return [""] * table.num_rows
    return [value or "" for value in table[name].to_pylist()]
