"""Intake of clinical forms as a Prefect task: sealed rows, pseudonymised tables, counts out."""

from __future__ import annotations

from prefect import task
from prefect.logging import get_run_logger

from schemas.keys import read_key_file
from schemas.run_context import release_bench, run_context
from schemas.settings import read_settings
from schemas.stage_errors import redacted_errors
from tasks.clinical import store
from tasks.clinical.merge import BatchForms, check_linkage, merge_batches
from tasks.clinical.pseudonymise import tables_for_batch
from tasks.clinical.real_dates import real_dates_of
from tasks.clinical.store_erase import keep_out_erased


@task(name="clinical", task_run_name="clinical", retries=0)
def take_in_forms(site: str, batch: str) -> dict[str, int]:
    """Read the forms of one batch; seal the real dates, keep shifted ones for the warehouse."""
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("clinical", context.zones):
        ring = context.ring()
        delivered = store.read_forms(bench.get("delivery").files, site=context.site)
        intake = keep_out_erased(delivered, context.zones, ring, context.site)
        linked = {assignment.subject_no for assignment in bench.get("assignments").values()}
        findings = [*intake.findings, *check_linkage(intake, linked, context.site, ring)]
        bench.put("clinical_outcomes", list(intake.outcomes))
        bench.put("clinical_findings", findings)
        bench.put("real_dates", real_dates_of(context.site, intake, ring))
        days = [form.export_as_of.isoformat() for form in intake.forms]
        bench.put("edc_export_as_of", max(days, default=None))
        if intake.forms:
            folder = context.zones.restricted_batch(context.site, bench.batch)
            store.write_sealed(folder, intake, ring, site=context.site, batch_id=bench.batch)
        store.write_tables(bench.tables, tables_for_batch(intake, ring, context.site))
    counts = {form.form: len(form.rows) for form in intake.forms}
    get_run_logger().info("batch %s: form rows %s, %d findings", batch, counts, len(findings))
    return counts


@task(name="merge-forms", task_run_name="merge-forms", retries=0)
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
            for site, batch in bench.get("batches")
        ]
        merged = merge_batches(batches, ring)
        bench.put("clinical_rows", merged.rows)
        bench.put("merge_findings", merged.findings)
        bench.put("key_id", ring.key_id)
    return {"rows": len(merged.rows), "findings": len(merged.findings)}
