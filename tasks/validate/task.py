"""Validation as a Prefect task: rules over one batch; findings left for the commit."""

from __future__ import annotations

from collections import Counter

from prefect import task
from prefect.logging import get_run_logger

from schemas.run_context import release_bench, run_context
from schemas.settings import read_settings
from schemas.stage_errors import redacted_errors
from tasks.validate.store import require_passed, validate_tables
from tasks.validate.suites import Stage


@task(name="validate", task_run_name="validate", retries=0)
def validate_batch(site: str, batch: str) -> dict[str, int]:
    """Check the batch's rows against contracts and rules; every failing row is a finding."""
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("validate", context.zones):
        report = validate_tables(bench.get("published_rows"), Stage.BATCH)
        bench.put("findings", [*bench.get("clinical_findings"), *report.findings])
    counts = dict(sorted(Counter(f.severity.value for f in bench.get("findings")).items()))
    get_run_logger().info("batch %s: findings %s", batch, counts)
    return counts


@task(name="validate-release", task_run_name="validate-release", retries=0)
def validate_release() -> dict[str, int]:
    """Check all tables of the release; a blocker stops it.

    Raises
    ------
    GateBlockedError
        If a finding of severity blocker stands.
    """
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("validate", settings.zones):
        report = validate_tables(bench.get("release_tables"), Stage.RELEASE)
        sources = ("merge_findings", "cohort_findings", "label_findings")
        findings = [finding for name in sources for finding in bench.get(name)]
        bench.put("release_findings", [*findings, *report.findings])
        require_passed(report)
    return dict(sorted(Counter(f.severity.value for f in report.findings).items()))
