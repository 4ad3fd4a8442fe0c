"""De-identification as a Prefect task: one batch, a process pool inside, counts out."""

from __future__ import annotations

from prefect import task
from prefect.logging import get_run_logger

from schemas.records import FileKind
from schemas.run_context import run_context
from schemas.stage_errors import redacted_errors
from tasks.deidentify import store


@task(name="deidentify", task_run_name="deidentify", retries=0)
def deidentify_batch(site: str, batch: str) -> dict[str, int]:
    """De-identify the images of one batch; hold what a rule cannot decide.

    Deterministic: a retry would repeat the failure.
    """
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("deidentify", context.zones):
        files = [f for f in bench.get("delivery").files if f.kind is FileKind.IMAGE]
        result = store.deidentify_batch(
            files,
            bench.get("assignments"),
            context.ring(),
            bench.dicom,
            context.settings.workers,
        )
        bench.put("image_outcomes", list(result.outcomes))
        bench.put("action_counts", dict(result.counts))
        bench.put("identifiers", dict(result.identifiers))
    states = [outcome.state.value for outcome in result.outcomes]
    counts = {state: states.count(state) for state in sorted(set(states))}
    get_run_logger().info("batch %s: %s", batch, counts)
    return counts
