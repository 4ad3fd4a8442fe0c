"""Conversion as a Prefect task: the series of one batch, workers inside, counts out."""

from __future__ import annotations

from collections import Counter

from schemas.handover.records import ConvertedVolumes, SettledImages
from schemas.run.attempts import require_no_worker_lost
from schemas.run.progress import stage_progress
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import run_context
from tasks.convert.codes import LOST_WORKER
from tasks.convert.store import convert_many
from tasks.convert.store_warehouse import series_jobs


@task(name="convert", retries=0)
def convert_batch(site: str, batch: str) -> dict[str, int]:
    """Convert the series that got new instances; prove every volume against its source."""
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("convert", context.zones):
        images = bench.take(SettledImages)
        jobs = series_jobs(bench, images.outcomes, images.held)
        records = convert_many(
            jobs,
            bench.scratch,
            workers=context.settings.workers,
            progress=stage_progress("convert", context.name),
        )
        volumes = tuple(volume for series in records for volume in series)
        lost = sum(not LOST_WORKER.isdisjoint(volume.codes) for volume in volumes)
        require_no_worker_lost(context.zones, context.site, bench.batch, "convert", lost)
        bench.leave(ConvertedVolumes(volumes))
    counts = dict(sorted(Counter(volume.verdict for volume in volumes).items()))
    get_run_logger().info("batch %s: %s", batch, counts)
    return counts
