"""The review desk as a Prefect task: a site code in, the ids of batches to work on out."""

from __future__ import annotations

from schemas.handover.records import ReceivedExport
from schemas.handover.workbench import Workbench
from schemas.hospital_day import hospital_today
from schemas.run.settings import read_settings
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.sites import site_code
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import require_key
from tasks.desk.store_again import take_again


@task(name="take-again", retries=0)
def take_decided_again(site: str) -> list[str]:
    """Take what people decided out of the quarantine, as a batch of its own.

    Returns
    -------
    list of str
        The id of the batch to work on; empty where nothing waits.
    """
    settings, code = read_settings(), site_code(site)
    ring = require_key(settings, code)
    with redacted_errors("take-again", settings.zones):
        delivery = take_again(settings.zones, ring, code, hospital_today())
        if delivery is None:
            return []
        bench = Workbench(settings.zones, code, delivery.batch_id)
        bench.open()
        bench.leave(ReceivedExport(delivery))
    get_run_logger().info("%d decided files are taken in again", len(delivery.files))
    return [delivery.batch_id]
