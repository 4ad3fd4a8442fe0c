"""De-identification as a Prefect task: one batch, a process pool inside, counts out."""

from __future__ import annotations

from schemas.errors import GateBlockedError
from schemas.handover.records import (
    AuditHead,
    CheckedConformity,
    DeidentifiedImages,
    LinkedSubjects,
    ReceivedExport,
    SettledImages,
)
from schemas.pixel_decisions import DecidedPixels
from schemas.records import FileKind
from schemas.run.attempts import require_no_worker_lost
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import run_context
from schemas.vault.pixel_decision_log import read_decisions
from tasks.deidentify import store
from tasks.deidentify.audit import audit_columns
from tasks.deidentify.gathered import AuditTrails
from tasks.deidentify.identifiers import PersonsInHeaders
from tasks.deidentify.search.store_accepted_words import ACCEPTED_NAME, read_accepted
from tasks.deidentify.search.store_held_words import HELD_NAME, held_words, write_held_words
from tasks.deidentify.search.store_identifiers import IDENTIFIERS_NAME, write_identifiers
from tasks.deidentify.search.store_scan_batch import (
    batch_identifiers,
    left_in_tables,
    scan_staged,
    withhold,
)
from tasks.deidentify.store_audit import AUDIT_FILE, write_audit
from tasks.deidentify.store_conformity import check_conformity


@task(name="deidentify", retries=0)
def deidentify_batch(site: str, batch: str) -> dict[str, int]:
    """De-identify the images of one batch; hold what a rule cannot decide.

    Deterministic: a retry would repeat the failure.
    """
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("deidentify", context.zones):
        files = [f for f in bench.take(ReceivedExport).delivery.files if f.kind is FileKind.IMAGE]
        result = store.deidentify_batch(
            files,
            bench.take(LinkedSubjects).assignments,
            context.ring(),
            bench.dicom,
            context.settings.workers,
            read_decisions(context.zones, context.ring()),
        )
        require_no_worker_lost(
            context.zones, context.site, bench.batch, "deidentify", result.n_lost
        )
        outcomes = result.outcomes
        checked = check_conformity(
            files,
            outcomes,
            bench.dicom,
            context.settings.validator,
            context.settings.workers,
        )
        bench.leave(CheckedConformity(checked))
        bench.leave(DeidentifiedImages(outcomes))
        bench.leave(DecidedPixels(result.settled))
        bench.leave(result.trails)
        bench.leave(PersonsInHeaders(result.identifiers))
    states = [outcome.state.value for outcome in outcomes]
    counts = {state: states.count(state) for state in sorted(set(states))}
    get_run_logger().info("batch %s: %s", batch, counts)
    return counts


@task(name="scan", retries=0)
def scan_batch(site: str, batch: str) -> dict[str, int]:
    """Search all that is about to be written; withhold every person who is found in it."""
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("scan", context.zones):
        people = batch_identifiers(bench)
        accepted = read_accepted(context.zones.restricted / ACCEPTED_NAME)
        hits = scan_staged(bench, people, context.settings.workers, accepted)
        kept = context.zones.restricted_batch(context.site, bench.batch)
        if hits:
            words = held_words(context.site, bench.batch, people, hits, bench.folder)
            write_held_words(kept / HELD_NAME, words)
            images, volumes = withhold(bench, hits)
            bench.leave(images)
            bench.leave(volumes)
        sealed = kept / IDENTIFIERS_NAME
        write_identifiers(sealed, context.ring(), people)
        trails = bench.take(AuditTrails)
        head = write_audit(
            sealed.with_name(AUDIT_FILE),
            audit_columns(bench.take(SettledImages).outcomes, trails),
            trails.kinds,
            context.ring(),
            mode=0o600,
        )
        bench.leave(AuditHead(head))
    get_run_logger().info("batch %s: %d hits of the identifier scan", batch, len(hits))
    return {"persons": len(people), "hits": len(hits)}


@task(name="rescan", retries=0)
def require_clean(site: str, batch: str) -> None:
    """Search once more after persons were withheld; a hit that stays stops the batch.

    Raises
    ------
    GateBlockedError
        If anything is still found: it stands in a table, where no object can be taken back.
    """
    context = run_context(site, batch)
    with redacted_errors("scan", context.zones):
        people = batch_identifiers(context.bench)
        accepted = read_accepted(context.zones.restricted / ACCEPTED_NAME)
        hits = scan_staged(context.bench, people, context.settings.workers, accepted)
        if left_in_tables(context.bench, hits):
            raise GateBlockedError(
                "identifiers remain in the tables after their persons were withheld",
                where=f"batch {batch} of {site}",
                hint="Nothing of the batch was committed. Ask the site for corrected forms.",
            )
