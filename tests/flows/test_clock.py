"""A night that the clock starts: PostgreSQL, a server with a password, deployments, a worker.

Deploying works also where the scheduler is broken (Prefect 3.8.8 on SQLAlchemy 2.1), and so does
a run that somebody starts: only a run that nobody started shows that nights run by themselves.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schemas.run.settings import QUIET_ENVIRONMENT
from tests.flows.conftest import PREFECT, clean_environment, run
from tests.flows.exports import cut_export, new_home
from tests.flows.test_outbound import HERE, watch, watched
from tests.postgres import postgres_programs, running_postgres

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clock")]

ROOT = Path(__file__).parents[2]
#: Start of a server on one slow core, one turn of the scheduler, a night of one series.
BOUND_S = 280.0


@dataclass(frozen=True)
class Server:
    """A running server: where it answers, and the password that it asks for."""

    api: str
    auth: str
    folder: Path

    def ask(self, path: str, body: object = None) -> Any:
        token = base64.b64encode(self.auth.encode()).decode()
        request = urllib.request.Request(
            f"{self.api}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Basic {token}"},
        )
        for attempt in range(10):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refused:
                # On SQLite a busy database answers so, and every client of Prefect asks again.
                if refused.code != 503 or attempt == 9:
                    raise
                refused.close()
                time.sleep(1)
        raise AssertionError("unreachable")

    def environment(self, home: Path) -> dict[str, str]:
        return {
            **clean_environment(),
            **QUIET_ENVIRONMENT,
            "PREFECT_API_URL": self.api,
            "PREFECT_API_AUTH_STRING": self.auth,
            "PREFECT_HOME": str(home / "prefect"),
            "LIVERCOHORT_HOME": str(home),
            "NO_PROXY": "127.0.0.1",
        }


@contextmanager
def ended_afterwards(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    if request.param == "sqlite":
        with served(folder, f"sqlite+aiosqlite:///{folder}/prefect.db") as made:
            yield made
        return
    programs = postgres_programs()
    if programs is None:
        if os.environ.get("LIVERCOHORT_REQUIRE_POSTGRES"):
            pytest.fail("PostgreSQL is required and not installed")
        pytest.skip("PostgreSQL is not installed")
    with (
        running_postgres(programs) as sockets,
        served(folder, f"postgresql+asyncpg://vault@/postgres?host={sockets}") as made,
    ):
        yield made


@contextmanager
def served(folder: Path, database: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}/api", f"nights:{secrets.token_hex(8)}", folder)
    environment = {
        **server.environment(folder),
        **watch(folder),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_API_AUTH_STRING": server.auth,
    }
    command = [str(PREFECT), "server", "start", "--no-ui", "--port", str(port)]
    with ended_afterwards(command, environment, folder / "server.log"):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                server.ask("/health")
            except OSError:
                time.sleep(0.3)
            else:
                break
        yield server


def test_a_night_that_the_clock_started_is_seen_to_its_end(
    server: Server, whole_export: Path, tmp_path: Path
) -> None:
    home = new_home(tmp_path)
    cut_export(whole_export, home / "inbox", series=1)
    environment = server.environment(home)

    ended = run("deploy", "--home", home, **environment)
    assert ended.code == 0, ended.out + ended.err
    deployed = {one["name"]: one for one in server.ask("/deployments/filter", {})}
    assert {"S91", "S92", "S93", "release", "digest", "watchdog"} == set(deployed)
    # The site's own schedule is once a night; the same clock, told to strike every minute.
    each_minute = [{"schedule": {"cron": "* * * * *", "timezone": "Asia/Shanghai"}, "active": True}]
    server.ask(f"/deployments/{deployed['S91']['id']}/schedules", each_minute)
    command = [str(PREFECT), "worker", "start", "--pool", "livercohort"]
    with ended_afterwards(
        [*command, "--install-policy", "never"], environment, tmp_path / "worker.log"
    ):
        nights = _nights_until_one_ends(server, deployed["S91"]["id"])
    told = [(n["state"]["type"], n["auto_scheduled"], n["created_by"]) for n in nights]
    log = (tmp_path / "worker.log").read_text(encoding="utf-8")
    assert nights[0]["state"]["type"] == "COMPLETED", f"{told}\n{log[-2000:]}"
    assert nights[0]["auto_scheduled"] is True
    assert nights[0]["name"] == "ingest-S91"
    assert {"receive", "deidentify", "commit"} <= _task_runs(server, nights[0]["id"])
    facts = run("status", "--home", home, "--json").json()
    assert facts["adds_up"] is True
    assert facts["states"]["accepted"] > 0


def _task_runs(server: Server, night: str) -> set[str]:
    """Return the tasks that ended in a night; the server records them after they are told."""
    deadline, done = time.monotonic() + 30, set[str]()
    while "commit" not in done and time.monotonic() < deadline:
        found = server.ask("/task_runs/filter", {"flow_runs": {"id": {"any_": [night]}}})
        done = {one["name"] for one in found if one["state"]["type"] == "COMPLETED"}
    return done


def _nights_until_one_ends(server: Server, deployment: str) -> list[dict[str, Any]]:
    """Return the ended runs of one site, newest first, or its planned ones when time is up.

    The watchdog and the digest have schedules of their own and may end before.
    """
    of_site = {"deployments": {"id": {"any_": [deployment]}}, "sort": "END_TIME_DESC"}
    deadline = time.monotonic() + BOUND_S
    nights: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        nights = server.ask("/flow_runs/filter", of_site)
        ended = [n for n in nights if n["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED")]
        if ended:
            return ended
        time.sleep(2)
    return nights


def test_the_server_looked_for_nobody_outside(server: Server) -> None:
    seen = watched(server.folder / "notes")
    assert seen
    assert {(event, host) for event, host in seen if host not in HERE} == set()


def test_a_request_without_the_password_is_turned_away(server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        Server(server.api, "nights:guessed", server.folder).ask("/flow_runs/filter", {})
    with refused.value as answer:
        assert answer.code == 401
