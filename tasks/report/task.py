"""The report site as a Prefect task: from a release and the batches behind it."""

from __future__ import annotations

from prefect import task
from prefect.logging import get_run_logger

from schemas.settings import read_settings
from schemas.stage_errors import redacted_errors
from tasks.report.store_release import build_report


@task(name="report", task_run_name="report", retries=0)
def write_release_report(version: str) -> str:
    """Build the report of a release; building it again writes nothing.

    Returns
    -------
    str
        Name of the report folder below `reports/`.
    """
    settings = read_settings()
    zones = settings.zones
    with redacted_errors("report", zones):
        written = build_report(zones, version, settings.workers)
    name = written.index.parent.name
    get_run_logger().info("report %s: %d files", name, written.n_files)
    return name
