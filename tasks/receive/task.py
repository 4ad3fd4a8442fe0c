"""Receive and commit as Prefect tasks: a site code and a batch id in, counts out."""

from __future__ import annotations

import time
from typing import Any

from schemas.errors import LivercohortError
from schemas.handover.records import (
    AuditHead,
    CheckedBatch,
    ControlFiles,
    DeidentifiedImages,
    FormsTakenIn,
    LinkedSubjects,
    ReceivedExport,
    SettledImages,
)
from schemas.handover.workbench import Workbench
from schemas.run.atomic_files import sha256_of_bytes
from schemas.run.settings import read_settings
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.sites import read_site, site_code
from schemas.run.software import software_version
from schemas.run.stage_errors import redacted, redacted_errors
from schemas.run_context import RunContext, require_key, run_context
from schemas.states import ReasonCode, Severity
from schemas.tables.warehouse_index import update_index
from schemas.vault.anchors import changing_anchors
from schemas.vault.subjects import Vault
from schemas.vault.suppression import erased_among
from tasks.receive import store, store_commit
from tasks.receive.accounting import (
    count_states,
    hold_what_two_subjects_share,
    settle_against_warehouse,
)
from tasks.receive.store_lease import require_still_held
from tasks.receive.store_ledger import note_unlisted
from tasks.receive.store_linkage import link_subjects


@task(name="receive", retries=0)
def receive_exports(site: str) -> dict[str, list[str]]:
    """Take in every export of the site that is complete and not known yet.

    Returns
    -------
    dict
        `batches`: ids to work on, in the order of the exports; `refused`: one message for
        each export that could not be taken in. One bad export never stops the others.
    """
    settings, code = read_settings(), site_code(site)
    ring = require_key(settings, code)
    with redacted_errors("receive", settings.zones):
        store.sweep_interrupted(settings.zones, code)
        note_unlisted(settings.zones, code)
    batches: list[str] = []
    refused: list[str] = []
    for export in store.pending_exports(settings.zones, read_site(code), now_ns=time.time_ns()):
        try:
            delivery = store.take_in(export, settings.zones, code, ring, settings.workers)
        except LivercohortError as error:
            refused.append(error.message)
            continue
        except Exception as error:
            refused.append(redacted(error, "receive", settings.zones).message)
            continue
        known = store.is_committed(settings.zones, code, delivery.batch_id)
        if known or delivery.batch_id in batches:
            store.note_export(settings.zones, delivery)
            store.forget_received(settings.zones, delivery)
        else:
            require_still_held(settings.zones, code)
            bench = Workbench(settings.zones, code, delivery.batch_id)
            bench.open()
            bench.leave(ReceivedExport(delivery))
            batches.append(delivery.batch_id)
    for message in refused:
        get_run_logger().error("%s", message)
    return {"batches": batches, "refused": refused}


@task(name="link", retries=0)
def link_batch(site: str, batch: str) -> dict[str, int]:
    """File the linkage in the vault; say who each PatientID is."""
    context = run_context(site, batch)
    with redacted_errors("link", context.zones):
        require_still_held(context.zones, context.site)
        delivery = context.bench.take(ReceivedExport).delivery
        ring = context.ring()
        linkage = link_subjects(context.zones, ring, delivery)
        with changing_anchors(context.zones, ring) as change:
            change.vault(Vault(context.zones.vault, ring).subject_tokens())
        everybody = {a.subject_id for a in linkage.assignments.values()}
        # Nothing of an erased subject is taken in again: its images find no linkage.
        erased = erased_among(context.zones.restricted, ring, everybody)
        kept = {p: a for p, a in linkage.assignments.items() if a.subject_id not in erased}
        context.bench.leave(LinkedSubjects(kept, linkage.resident_ids))
        context.bench.leave(ControlFiles(linkage.outcomes))
    return {"patient_ids": len(linkage.assignments), **count_states(linkage.outcomes)}


@task(name="settle", retries=0)
def settle_batch(site: str, batch: str) -> dict[str, int]:
    """Compare the accepted instances with what earlier batches brought."""
    context = run_context(site, batch)
    with redacted_errors("settle", context.zones):
        require_still_held(context.zones, context.site)
        update_index(context.zones, context.site)
        outcomes = context.bench.take(DeidentifiedImages).outcomes
        features = [o.features for o in outcomes if o.features]
        known = store_commit.read_known_instances(
            context.zones,
            context.site,
            studies={str(f.study_uid) for f in features},
            series={str(f.series_uid) for f in features},
        )
        settled, shared = hold_what_two_subjects_share(outcomes, known)
        arrived = {str(outcome.sop_uid) for outcome in settled if outcome.sop_uid}
        pixels = store_commit.read_known_pixels(context.zones, context.site, arrived)
        settled, reused = settle_against_warehouse(settled, pixels)
        held = dict.fromkeys(reused, ReasonCode.UID_REUSED)
        held |= shared
        context.bench.leave(SettledImages(tuple(settled), held))
    return {**count_states(settled), "held_in_warehouse": len(held)}


@task(name="tables", retries=0)
def stage_tables(site: str, batch: str) -> dict[str, int]:
    """Write the batch's tables as they will be committed, for the scan to read."""
    context = run_context(site, batch)
    with redacted_errors("tables", context.zones):
        require_still_held(context.zones, context.site)
        return store_commit.write_batch_tables(context.bench, context.ring().keyed_digest)


@task(name="commit", retries=0)
def commit_batch(site: str, batch: str) -> dict[str, Any]:
    """Check that every file is accounted for, then publish the batch with one rename."""
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("commit", context.zones):
        require_still_held(context.zones, context.site)
        checked = bench.take(CheckedBatch)
        record = store_commit.commit(
            bench,
            bench.take(ReceivedExport).delivery,
            store_commit.all_outcomes(bench),
            held=any(
                f.severity is Severity.BLOCKER and f.finding_id not in checked.waived
                for f in checked.findings
            ),
            validation=checked.validation,
            edc_export_as_of=bench.take(FormsTakenIn).edc_export_as_of,
            key_id=context.ring().key_id,
            software_version=software_version(),
            audit_head=bench.take(AuditHead).head,
            anchor=lambda data: _anchor(context, data),
        )
    get_run_logger().info("batch %s: %s", batch, record["counts"])
    return record


def _anchor(context: RunContext, record: bytes) -> None:
    with changing_anchors(context.zones, context.ring()) as change:
        change.batch(context.site, context.bench.batch, sha256_of_bytes(record))
