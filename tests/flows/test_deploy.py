"""`prefect.yaml` on a real server: deployments as written, and a night run by a real worker."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.run.settings import QUIET_ENVIRONMENT
from tests.flows.conftest import PREFECT, Ended, clean_environment, run
from tests.flows.exports import cut_export, new_home

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("server")]

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
_BUSY_TRIES = 10
ENTRYPOINTS = sorted({d["entrypoint"] for d in DEPLOYMENTS} | {"flows/demo.py:demo"})


def prefect(api: str, home: Path, *arguments: str, **environment: str) -> Ended:
    """Run one `prefect` command from the root of the project, with nobody to answer a prompt."""
    ended = subprocess.run(
        [PREFECT, *arguments],
        cwd=ROOT,
        env={
            **clean_environment(),
            **QUIET_ENVIRONMENT,
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(home / "prefect-client"),
            "NO_PROXY": "127.0.0.1",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def ask(api: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{api}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    for left in range(_BUSY_TRIES - 1, -1, -1):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            # Prefect answers 503 while its SQLite database is locked.
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or not left:
                raise
            time.sleep(1)
    raise AssertionError("unreachable")


@pytest.fixture(scope="module")
def deployed(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the server knows after the two commands of prefect.yaml, by name."""
    home = tmp_path_factory.mktemp("client")
    pool = prefect(prefect_api, home, "work-pool", "create", "livercohort", "--type", "process")
    assert pool.code == 0, pool.out + pool.err
    ended = prefect(prefect_api, home, "deploy", "--all")
    assert ended.code == 0, ended.out + ended.err
    found = ask(prefect_api, "/deployments/filter", {})
    return {deployment["name"]: deployment for deployment in found}


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_every_entrypoint_is_a_flow(entrypoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.flows import Flow, load_flow_from_entrypoint

    monkeypatch.chdir(ROOT)
    flow: Flow[..., Any] = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    assert flow.name == entrypoint.rpartition(":")[2].replace("_", "-")


def test_all_deployments_are_there(deployed: dict[str, Any]) -> None:
    assert sorted(deployed) == ["S91", "S92", "S93", "digest", "release", "watchdog"]


@pytest.mark.parametrize("name", [d["name"] for d in DEPLOYMENTS])
def test_a_deployment_runs_at_its_own_time_and_once_at_a_time(
    name: str, deployed: dict[str, Any]
) -> None:
    (written,) = (d for d in DEPLOYMENTS if d["name"] == name)
    (schedule,) = deployed[name]["schedules"]
    assert schedule["active"]
    assert schedule["schedule"]["cron"] == written["schedules"][0]["cron"]
    assert schedule["schedule"]["timezone"] == "Asia/Shanghai"
    limit = deployed[name]["global_concurrency_limit"]
    assert limit["limit"] == 1
    assert deployed[name]["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert deployed[name]["parameters"] == written["parameters"]
    assert deployed[name]["work_pool_name"] == "livercohort"


def test_the_nights_of_sites_do_not_start_together(deployed: dict[str, Any]) -> None:
    times = [d["schedules"][0]["schedule"]["cron"] for d in deployed.values()]
    assert len(set(times)) == len(times)


def test_a_worker_runs_a_deployed_night(
    deployed: dict[str, Any], prefect_api: str, whole_export: Path, tmp_path: Path
) -> None:
    home = new_home(tmp_path)
    cut_export(whole_export, home / "inbox", series=1)
    made = ask(prefect_api, f"/deployments/{deployed['S91']['id']}/create_flow_run", {})
    ended = prefect(
        prefect_api, tmp_path,
        "worker", "start", "--pool", "livercohort", "--run-once", "--install-policy", "never",
        LIVERCOHORT_HOME=str(home),
    )  # fmt: skip
    assert ended.code == 0, ended.out + ended.err
    (night,) = ask(prefect_api, "/flow_runs/filter", {"flow_runs": {"id": {"any_": [made["id"]]}}})
    assert night["state"]["type"] == "COMPLETED", ended.out + ended.err
    facts = run("status", "--home", home, "--json").json()
    assert facts["states"]["accepted"] > 0
    assert facts["adds_up"] is True
    for zone in ("restricted", "work"):
        assert (home / zone).stat().st_mode & 0o077 == 0
    assert str(home) not in json.dumps(night)
