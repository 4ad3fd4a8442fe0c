"""Measuring as Prefect tasks: the volumes of one batch, and what a release says of them."""

from __future__ import annotations

from collections import Counter

from schemas.handover.records import (
    CommittedMeasurements,
    ConvertedVolumes,
    HeldSubjects,
    LabelledExams,
    MeasuredCohort,
    MeasuredExams,
    ReleaseTables,
)
from schemas.run.progress import stage_progress
from schemas.run.settings import read_settings
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import release_bench, run_context
from schemas.tables.contracts import conform, read_table_contracts
from tasks.measure.catalogue import load_catalogue
from tasks.measure.cohort import measures_of, with_evidence
from tasks.measure.exams import acquisition_of
from tasks.measure.store_exams import batch_exams, batch_stacks


@task(name="measure", retries=0)
def measure_batch(site: str, batch: str) -> dict[str, int]:
    """Measure the proven volumes of the exams that got new instances; nothing is decided."""
    # Only a night with images needs what reads them, which takes long to load.
    from tasks.measure.store import measure_exams

    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("measure", context.zones):
        exams = bench.take(LabelledExams)
        stacks = batch_stacks(exams.instances)
        volumes = bench.take(ConvertedVolumes).volumes
        parts = batch_exams(bench, stacks, exams.labels.series, volumes)
        found = measure_exams(
            parts,
            workers=context.settings.workers,
            progress=stage_progress("measure", context.name),
        )
        bench.leave(MeasuredExams(tuple(found), tuple(acquisition_of(s) for s in stacks)))
    counts = dict(sorted(Counter(row.reason or "measured" for row in found).items()))
    get_run_logger().info("batch %s: measurements %s", batch, counts)
    return counts


@task(name="measure-cohort", retries=0)
def measure_cohort() -> dict[str, int]:
    """Make `image_metric` and `protocol_variant`, and hold phases against what pixels show."""
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("measure", settings.zones):
        made = bench.take(ReleaseTables)
        tables = dict(made.tables)
        committed = bench.take(CommittedMeasurements)
        found = measures_of(
            tables,
            committed.measurements,
            committed.acquisitions,
            load_catalogue(),
            bench.take(HeldSubjects).subjects,
        )
        contracts = read_table_contracts()
        tables["image_metric"] = conform(contracts["image_metric"], found.metrics)
        tables["protocol_variant"] = conform(contracts["protocol_variant"], found.variants)
        tables["series"] = with_evidence(tables["series"], found.evidence)
        bench.leave(ReleaseTables(dict(sorted(tables.items())), made.images))
        bench.leave(MeasuredCohort(found.findings))
    return {
        "metrics": len(found.metrics),
        "variants": len(found.variants),
        "findings": len(found.findings),
    }
