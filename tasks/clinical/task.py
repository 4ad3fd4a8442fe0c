"""Intake of clinical forms as a Prefect task: sealed rows, pseudonymised tables, counts out."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.handover.records import (
    CommittedImages,
    CommittedNights,
    FormsTakenIn,
    LinkedSubjects,
    MergedForms,
    RealDates,
    ReceivedExport,
)
from schemas.identifiers import SiteCode, SubjectNo
from schemas.records import Finding
from schemas.run.settings import read_settings
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import release_bench, run_context
from schemas.vault.keys import read_key_file
from schemas.vault.subjects import Vault
from tasks.clinical import store
from tasks.clinical.linkage_checks import check_linkage, check_persons, without_lost_zeros
from tasks.clinical.merge import BatchForms, merge_batches
from tasks.clinical.pseudonymise import tables_for_batch
from tasks.clinical.real_dates import real_dates_of
from tasks.clinical.reconcile import check_rows, check_sexes
from tasks.clinical.residents import check_residents, read_residents
from tasks.clinical.store_erase import keep_out_erased


@task(name="clinical", retries=0)
def take_in_forms(site: str, batch: str) -> dict[str, int]:
    """Read the forms of one batch; seal the real dates, keep shifted ones for the warehouse."""
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("clinical", context.zones):
        ring = context.ring()
        linked = {
            assignment.subject_no for assignment in bench.take(LinkedSubjects).assignments.values()
        }
        files = bench.take(ReceivedExport).delivery.files
        delivered = store.read_forms(files, site=context.site)
        intake = keep_out_erased(delivered, context.zones, ring, context.site)
        intake = without_lost_zeros(intake, linked, context.site)
        residents = read_residents(store.read_linkage(files))
        intake = check_residents(intake, residents, context.site, ring)
        this = BatchForms(context.site, bench.batch, intake)
        rows = merge_batches([this], ring).rows
        findings = _each_once([*intake.findings, *check_linkage(rows, {context.site: linked})])
        newest = max((form.export_as_of.isoformat() for form in intake.forms), default=None)
        bench.leave(FormsTakenIn(tuple(intake.outcomes), findings, newest))
        bench.leave(RealDates(real_dates_of(context.site, intake, ring)))
        if intake.forms or intake.refusals:
            folder = context.zones.restricted_batch(context.site, bench.batch)
            store.write_sealed(folder, intake, ring, site=context.site, batch_id=bench.batch)
        store.write_tables(bench.tables, tables_for_batch(intake, ring, context.site))
    counts = {form.form: len(form.rows) for form in intake.forms}
    get_run_logger().info("batch %s: form rows %s, %d findings", batch, counts, len(findings))
    return counts


@task(name="merge-forms", retries=0)
def merge_forms() -> dict[str, int]:
    """Unseal the forms of all committed batches and keep the row in force of each key."""
    settings = read_settings()
    bench, zones = release_bench(settings), settings.zones
    with redacted_errors("clinical", zones):
        ring = read_key_file(settings.master_key_file)
        batches = [
            BatchForms(
                site,
                batch,
                store.read_sealed(
                    zones.restricted_batch(site, batch), ring, site=site, batch_id=batch
                ),
            )
            for site, batch in bench.take(CommittedNights).batches
        ]
        merged = merge_batches(batches, ring)
        vault = Vault(zones.vault, ring)
        linked = {site: _linked(vault, site) for site in sorted({b.site for b in batches})}
        found = [
            *merged.findings,
            *check_linkage(merged.rows, linked),
            *check_persons(vault.subjects_sharing_a_person()),
            *check_rows(merged.rows, merged.erased),
            *check_sexes(merged.rows, bench.take(CommittedImages).sexes),
        ]
        findings = _each_once(found)
        bench.leave(MergedForms(tuple(merged.rows), findings, ring.key_id))
    return {"rows": len(merged.rows), "findings": len(findings)}


def _each_once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings without repeats: two files, or form and images, may show the same."""
    return tuple({finding.finding_id: finding for finding in findings}.values())


def _linked(vault: Vault, site: SiteCode) -> set[SubjectNo]:
    return {assignment.subject_no for assignment in vault.assignments(site).values()}
