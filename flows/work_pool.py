"""The work pool of the nights, made without asking anybody outside.

`prefect work-pool create` lets the server fetch a list of worker types from a public host; what
our own process worker needs is known here.
"""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker


def ensure_work_pool(name: str) -> None:
    """Make a pool of local processes on the server, if it has none of this name."""
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template)
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(pool)
        except ObjectAlreadyExists:
            return
