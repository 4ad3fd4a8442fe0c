"""Free the slots of runs that will never end: stuck before their start, or killed with the worker.

Prefect keeps a run in *Pending* when the worker died before it began, and in *Running* when the
worker died with it; either holds the slot of its deployment, and every later night waits. What
really runs holds the lease of its site.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.logging import get_run_logger
from prefect.runtime import flow_run as this_run
from prefect.states import Crashed

from schemas.errors import BusyError
from schemas.run.log_redaction import RUN_LOGGERS, redact_handlers
from schemas.run.settings import read_settings
from schemas.run.sites import is_site_code
from schemas.run.zones import Zones
from tasks.receive.store_lease import require_free

#: Longer than a worker needs to start a run, and than a run needs to take its lease.
STUCK_MINUTES = 20.0
_RELEASE = "release"


@flow(name="watchdog", flow_run_name="watchdog", retries=0)
def watchdog(stuck_minutes: float = STUCK_MINUTES) -> dict[str, Any]:
    """Mark runs as crashed that stand still and hold no lease.

    Parameters
    ----------
    stuck_minutes : float
        How long a run must have stood in its state.

    Returns
    -------
    dict
        `freed`: how many.
    """
    redact_handlers(*RUN_LOGGERS)
    zones = read_settings().zones
    wanted = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
    freed = 0
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=wanted))
        )
        for run in found:
            if str(run.id) != this_run.id and _stands_still(run, zones, stuck_minutes):
                _free(client, run)
                freed += 1
    return {"freed": freed}


def _stands_still(run: FlowRun, zones: Zones, stuck_minutes: float) -> bool:
    if run.state is None:
        return False
    age = dt.datetime.now(dt.UTC) - run.state.timestamp
    if age < dt.timedelta(minutes=stuck_minutes):
        return False
    if run.state.type is StateType.PENDING:
        return True
    lease = _lease_of(run)
    return lease is not None and _is_free(zones, lease)


def _lease_of(run: FlowRun) -> str | None:
    """Return the lease that a running run of ours holds; None for what takes none."""
    site = str(run.parameters.get("site", ""))
    if is_site_code(site):
        return site
    return _RELEASE if "bump" in run.parameters else None


def _is_free(zones: Zones, lease: str) -> bool:
    try:
        require_free(zones, lease)
    except BusyError:
        return False
    return True


def _free(client: SyncPrefectClient, run: FlowRun) -> None:
    message = "it stood still and held no lease; the next night starts anew"
    client.set_flow_run_state(run.id, Crashed(message=message), force=True)
    get_run_logger().warning("a run that stood still was freed: %s", run.id)
