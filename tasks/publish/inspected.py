"""Whether the pixels of all that is released were inspected by the rules in force. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from schemas.errors import GateBlockedError
from schemas.inspection import INSPECTION_TABLE, InspectionOutcome, InspectionRow
from schemas.run.sites import is_fictitious
from schemas.states import ReasonCode
from schemas.tables.record_tables import records_from_table, table_from_records
from schemas.vault.inspections import LaterInspection
from tasks.publish.batches import HOLD, BatchTables, CommittedCohort

_NAMED = 3
_HOLD = pa.schema([("sop_uid", pa.string()), ("reason", pa.string())])


@dataclass(frozen=True)
class RulesInForce:
    """Which rules a release asks for: their id, and SHA-256 of each model by its part."""

    rules_id: str
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class InspectedRow:
    """One inspected series of one batch; held ones have no row."""

    series_uid: str
    batch_id: str
    subject_id: str
    outcome: InspectionOutcome
    rules_id: str
    n_images: int
    n_views: int


def inspected_rows(committed: CommittedCohort) -> list[dict[str, object]]:
    """Return the rows of the published table: series that instances were taken from."""
    return [
        {**vars(row), "outcome": str(row.outcome)}
        for row in _rows(committed)
        if (row.series_uid, row.batch_id) in committed.taken
    ]


def require_inspected(committed: CommittedCohort, rules: RulesInForce) -> None:
    """Refuse to release images of a registered hospital that nobody looked into as is asked today.

    Raises
    ------
    GateBlockedError
        Says of which batches how many series lack it.
    """
    lacking = not_inspected(committed, rules)
    site_of = {str(batch.batch_id): batch.site_code for batch in committed.batches}
    of_batch: dict[str, int] = {}
    for _, batch in lacking:
        if not is_fictitious(site_of[batch]):
            of_batch[batch] = of_batch.get(batch, 0) + 1
    if of_batch:
        named = [f"{n} of batch {b} ({site_of[b]})" for b, n in sorted(of_batch.items())]
        more = f" and of {len(named) - _NAMED} more batches" if len(named) > _NAMED else ""
        raise GateBlockedError(
            f"series were not inspected by the rules in force: {', '.join(named[:_NAMED])}{more}",
            expected=f"every series of a registered hospital inspected by rules {rules.rules_id}",
            where="table inspection of the batches",
            hint="The next night inspects them anew: run `livercohort ingest` for the site, then "
            "release.",
        )


def not_inspected(committed: CommittedCohort, rules: RulesInForce) -> list[tuple[str, str]]:
    """Return series and batch of what would be released without an inspection in force."""
    done = {(r.series_uid, r.batch_id) for r in _rows(committed) if r.rules_id == rules.rules_id}
    return sorted(committed.taken - done)


def inspection_facts(committed: CommittedCohort, rules: RulesInForce) -> dict[str, object]:
    """Return what the manifest says: rules, models, how many series were inspected by them."""
    lacking = len(not_inspected(committed, rules))
    return {
        "rules_id": rules.rules_id,
        "models": dict(sorted(rules.models.items())),
        "series_inspected": len(committed.taken) - lacking,
        "series_not_inspected": lacking,
    }


def with_later(item: BatchTables, later: Iterable[LaterInspection]) -> BatchTables:
    """Return a batch with its later inspections: their rows, and holds of what they held."""
    own = [row for row in later if row.batch_id == item.batch.batch_id]
    if not own:
        return item
    rows = [
        InspectionRow(
            series_uid=row.series_uid,
            subject_id=row.subject_id,
            outcome=InspectionOutcome(row.outcome),
            rules_id=row.rules_id,
            n_images=row.n_images,
            n_views=row.n_views,
            reason=ReasonCode(row.reason) if row.reason else None,
        )
        for row in own
    ]
    table = item.others.get(INSPECTION_TABLE)
    again = {(row.series_uid) for row in rows}
    before = records_from_table(table, InspectionRow) if table is not None else []
    rows += [row for row in before if row.series_uid not in again]
    held = [{"sop_uid": uid, "reason": row.reason} for row in own for uid in row.held]
    holds = pa.Table.from_pylist(held, schema=_HOLD)
    if HOLD in item.others:
        holds = pa.concat_tables([item.others[HOLD].select(_HOLD.names).cast(_HOLD), holds])
    tables = {
        **item.others,
        INSPECTION_TABLE: table_from_records(rows, InspectionRow, key=["series_uid"]),
        HOLD: holds,
    }
    return replace(item, others=tables)


def _rows(committed: CommittedCohort) -> Sequence[InspectedRow]:
    table: pa.Table | None = committed.tables.get(INSPECTION_TABLE)
    if table is None:
        return ()
    found = records_from_table(table, InspectedRow)
    return [row for row in found if row.outcome is not InspectionOutcome.HELD]
