"""The query loop as Prefect tasks: after a batch was checked, and after a release was."""

from __future__ import annotations

from collections import Counter

from schemas.handover.records import (
    CheckedBatch,
    CheckedRelease,
    FormsTakenIn,
    PublishableRows,
    QueriesOfRelease,
    ReleaseTables,
)
from schemas.hospital_day import hospital_today
from schemas.run.settings import read_settings
from schemas.run.shown_runs import create_table_artifact, get_run_logger, task
from schemas.run.stage_errors import redacted_errors
from schemas.run.zones import Zones
from schemas.run_context import release_bench, run_context
from schemas.states import Severity
from schemas.tables.contracts import read_table_contracts
from tasks.queries.ageing import ageing_rows, report_rows
from tasks.queries.raising import abouts_of, row_keys
from tasks.queries.states import ClosedReason
from tasks.queries.store import changing_queries, count_batches, read_queries
from tasks.queries.sync import Night, Scope, plan_sync

_WITHDRAWN = "withdrawn"


@task(name="sync-queries", retries=0)
def sync_batch_queries(site: str, batch: str) -> dict[str, int]:
    """Raise, close or issue again what one batch's findings change; a held batch changes nothing.

    A held batch is in no release, so what it has wrong or mended is not known to stand.
    """
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("queries", context.zones):
        checked = bench.take(CheckedBatch)
        findings, waived = checked.findings, _waived(checked)
        if any(f.severity is Severity.BLOCKER and f.finding_id not in waived for f in findings):
            return {}
        tables, contracts = bench.take(PublishableRows).tables, read_table_contracts()
        objects = frozenset(
            (name, key)
            for name, table in tables.items()
            for key in row_keys(table, contracts[name].primary_key)
        )
        counts = count_batches(context.zones)
        # The batch is committed next; a site that said *corrected* has delivered with it.
        counts[site] = counts.get(site, 0) + 1
        night = Night(
            today=hospital_today(),
            abouts=tuple(abouts_of(findings, tables, contracts)),
            scope=Scope(
                site_code=site,
                rules=frozenset(checked.rules_run),
                objects=objects,
                with_forms=bench.take(FormsTakenIn).edc_export_as_of is not None,
            ),
            n_batches=counts,
            waived=waived,
        )
        return _sync(context.zones, night)


@task(name="sync-release-queries", retries=0)
def sync_release_queries() -> dict[str, int]:
    """Raise, close or issue again what the findings over the whole cohort change."""
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("queries", settings.zones):
        checked = bench.take(CheckedRelease)
        tables, contracts = bench.take(ReleaseTables).tables, read_table_contracts()
        subjects = tables["subject"].to_pylist()
        night = Night(
            today=hospital_today(),
            abouts=tuple(abouts_of(checked.findings, tables, contracts)),
            scope=Scope(whole=True),
            n_batches=count_batches(settings.zones),
            waived=_waived(checked),
            withdrawn=frozenset(
                row["subject_id"] for row in subjects if row["consent_status"] == _WITHDRAWN
            ),
        )
        done = _sync(settings.zones, night)
        queries = read_queries(settings.zones).values()
        rows = ageing_rows(queries, night.today)
        bench.leave(QueriesOfRelease(tuple(report_rows(queries))))
    create_table_artifact(key="queries", table=rows, description="Queries by site and state")
    return done


def _waived(checked: CheckedBatch | CheckedRelease) -> dict[str, ClosedReason]:
    return {name: ClosedReason(reason) for name, reason in checked.waived.items()}


def _sync(zones: Zones, night: Night) -> dict[str, int]:
    with changing_queries(zones) as register:
        events = plan_sync(register.queries, night)
        register.add(events)
    done = dict(sorted(Counter(event.status.value for event in events).items()))
    get_run_logger().info("queries: %s", done)
    return done
