"""A run that will never end gives its slot back; one that holds its lease is left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.conftest import clean_environment
from tests.flows.exports import new_home

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("server")]

_SCENE = """
import json
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Pending, Running
from flows.watchdog import watchdog
from schemas.run.settings import read_settings
from tasks.receive.store_lease import lease

@flow(name="ingest-site")
def ingest_site(site: str) -> None: ...

with get_client(sync_client=True) as client, lease(read_settings().zones, "S92"):
    made = {
        "pending": client.create_flow_run(ingest_site, parameters={"site": "S91"}, state=Pending()),
        "dead": client.create_flow_run(ingest_site, parameters={"site": "S91"}, state=Running()),
        "alive": client.create_flow_run(ingest_site, parameters={"site": "S92"}, state=Running()),
    }
    early = watchdog()
    late = watchdog(stuck_minutes=0)
    states = {n: client.read_flow_run(run.id).state.type.value for n, run in made.items()}
print(json.dumps({"early": early["freed"], "late": late["freed"] >= 2, "states": states}))
"""


def test_what_stands_still_is_freed_and_what_runs_is_not(prefect_api: str, tmp_path: Path) -> None:
    home = new_home(tmp_path)
    environment = {
        **clean_environment(),
        "PREFECT_API_URL": prefect_api,
        "PREFECT_HOME": str(tmp_path / "client"),
        "LIVERCOHORT_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH")])),
    }
    (home / "operations").mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", _SCENE],
        env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["early"] == 0
    assert told["states"] == {"pending": "CRASHED", "dead": "CRASHED", "alive": "RUNNING"}
