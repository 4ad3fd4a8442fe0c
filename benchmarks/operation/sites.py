"""One night of 28 simulated sites on a real server with PostgreSQL and two workers, and a rerun.

    PYTHONPATH=. python benchmarks/operation/sites.py [--sites 28] [--workers 2] [--series 3]

Each site has one subject, of whose images `--series` keeps the smallest series, and a deployment of
its own; all runs are asked for at once, as if every schedule struck in the same minute, and each
worker takes one at a time. Exports are named after persons, and every seventh site has delivered an
empty one besides, so that its night fails.
Printed: how the runs ended, that the server recorded every state of them and of their tasks, the
most task runs of one site, what a second round of runs changes on disk, what of all that was
planted stands in anything that is told (`leaks.py`), and whom anything looked for outside.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.operation.leaks import Search
from flows.deployments import read_cohort_schedules, render
from schemas.run.site_files import Schedule
from schemas.run.sites import read_site_file
from tests.flows.conftest import PREFECT, run
from tests.flows.exports import write_key
from tests.flows.test_clock import ROOT, Server, ended_afterwards, served
from tests.flows.test_outbound import HERE, watch, watched
from tests.flows.test_told_outside import receiving
from tests.postgres import postgres_programs, running_postgres

_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_MOST_TASK_RUNS = 500
_NAMES, _FAILS = ("王小明", "李建国", "Zhang Sanfeng", "欧阳文静"), 7
_PATTERNS = ("warehouse/**/*", "restricted/quarantine/**/*", "restricted/batches/**/*")


def main() -> None:
    """Run both rounds and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=28)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=60, help="for which runs are waited")
    options = parser.parse_args()
    programs = postgres_programs()
    if programs is None:
        sys.exit("PostgreSQL is not installed")
    until = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        root, home = Path(folder), Path(folder) / "home"
        home.mkdir()
        command = ["simulate", str(home / "inbox"), "--scale", "--sites", str(options.sites)]
        made = run(*command, "--subjects", "1", "--nights", "1")
        if made.code:
            sys.exit(made.err)
        keep_series(home / "inbox", options.series)
        names = name_exports(home / "inbox")
        (home / "restricted").mkdir(mode=0o700)
        write_key(home / "restricted" / "key", os.urandom(32))
        sockets = stack.enter_context(running_postgres(programs))
        database = f"postgresql+asyncpg://vault@/postgres?host={sockets}"
        server = stack.enter_context(served(root, database))
        (root / "workers").mkdir()
        messages: list[dict[str, str]] = []
        environment = {
            **server.environment(home),
            **watch(root / "workers"),
            "LIVERCOHORT_NOTIFY_WEBHOOK": stack.enter_context(receiving(messages)),
            "LIVERCOHORT_LOAD_SITES": str(home / "inbox" / "site_files"),
            "LIVERCOHORT_WORKERS": "1",
        }
        deployments = deploy(root, home / "inbox" / "site_files", server, environment)
        say(f"{len(deployments)} sites deployed, {spent():.0f} CPU s")
        worker = [str(PREFECT), "worker", "start", "--pool", "livercohort", "--limit", "1"]
        for number in range(options.workers):
            log = root / f"worker{number}.log"
            stack.enter_context(
                ended_afterwards([*worker, "--install-policy", "never"], environment, log)
            )
        tell_round("first", server, deployments, until)
        before = on_disk(home)
        facts = run("status", "--home", home, "--json", **environment).json()
        say(f"states add up: {facts['adds_up']}; {facts['states']}")
        tell_round("second", server, deployments, until)
        after = on_disk(home)
        changed = {
            path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
        }
        say(f"rerun: {len(changed)} of {len(before)} files new, changed or gone")
        run("digest", "--send", "--home", home, **environment)
        dump = [*_dump(programs), "-h", str(sockets), "-U", "vault", "postgres"]
        others = {
            "database of the server": [
                subprocess.run(dump, capture_output=True, check=True).stdout
            ],
            "messages": [json.dumps(one, ensure_ascii=False).encode() for one in messages],
            "log of the server": [(root / "server.log").read_bytes()],
            "logs of the workers": [path.read_bytes() for path in root.glob("worker*.log")],
            "status": [json.dumps(facts, ensure_ascii=False).encode()],
        }
        say(str(Search(home / "inbox" / "answer_key", names).told(home, others)))
        seen = [one for folder in (root, root / "workers") for one in watched(folder / "notes")]
        outside = Counter(host for _, host in seen if host not in HERE)
        say(f"sockets: {len(seen)} of this machine or of another, {dict(outside)} of another")
    say(f"processor: {spent():.0f} s in all, simulation included, the server's when it ended")


def keep_series(inbox: Path, number: int) -> None:
    """Keep the smallest series of each export, by files and name."""
    for export in inbox.glob("X*/*"):
        sizes = Counter(path.parent for path in export.glob("dicom/**/*") if path.is_file())
        for folder in sorted(sizes, key=lambda folder: (sizes[folder], folder))[number:]:
            shutil.rmtree(folder)


def name_exports(inbox: Path) -> set[str]:
    """Name every export after a person, have empty ones at some sites; return what was planted."""
    planted = set()
    for number, site in enumerate(sorted(path for path in inbox.glob("X*") if path.is_dir())):
        name = f"{_NAMES[number % len(_NAMES)]}{number:02d}"
        planted.add(name)
        for path in sorted(site.iterdir()):
            path.rename(path.with_name(f"{name}_{path.name}"))
        if number % _FAILS == 0:
            (site / f"empty_{name}").mkdir()
            (site / f"empty_{name}.READY").touch()
    return planted


def _dump(programs: Path) -> list[str]:
    return [shutil.which("pg_dump") or str(programs / "pg_dump")]


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def spent() -> float:
    """Return the processor time of everything that was started and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def deploy(root: Path, files: Path, server: Server, environment: dict[str, str]) -> dict[str, str]:
    """Put a deployment for each load site on the server; return its id by site code."""
    sites = [
        read_site_file(path).model_copy(
            update={"schedule": Schedule(cron=f"{number} 1 1 1 *", timezone="Asia/Shanghai")}
        )
        for number, path in enumerate(sorted(files.glob("X*.yaml")))
    ]
    document = root / "prefect.yaml"
    document.write_text(render(sites, read_cohort_schedules()), encoding="utf-8")
    # As `livercohort deploy` does, which never deploys load sites.
    code = "from flows.work_pool import ensure_work_pool; ensure_work_pool('livercohort')"
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True)
    subprocess.run(
        [str(PREFECT), "--no-prompt", "deploy", "--all", "--prefect-file", str(document)],
        env=environment,
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found = server.ask("/deployments/filter", {"limit": 200})
    return {one["name"]: one["id"] for one in found if one["name"].startswith("X")}


def tell_round(name: str, server: Server, deployments: dict[str, str], until: float) -> None:
    """Ask for one run of every site, wait for all to end, and print how."""
    begun = time.monotonic()
    runs = {
        server.ask(f"/deployments/{one}/create_flow_run", {"parameters": {"site": site}})[
            "id"
        ]: site
        for site, one in deployments.items()
    }
    found: list[dict[str, Any]] = []
    while time.monotonic() < until:
        body = {"flow_runs": {"id": {"any_": list(runs)}}, "limit": 200}
        found = server.ask("/flow_runs/filter", body)
        if len(found) == len(runs) and all(one["state"]["type"] in _ENDED for one in found):
            break
        time.sleep(2)
    states = Counter(one["state"]["type"] for one in found)
    tasks: Counter[str] = Counter()
    unended, told = 0, Counter[str]()
    for flow_run, site in runs.items():
        recorded = server.ask(f"/flow_run_states/?flow_run_id={flow_run}")
        told.update({one["type"] for one in recorded})
        body = {"flow_runs": {"id": {"any_": [flow_run]}}, "limit": 200}
        listed = server.ask("/task_runs/filter", body)
        tasks[site] += len(listed)
        unended += sum(one["state"]["type"] not in _ENDED for one in listed)
    say(
        f"{name} round: {len(found)} runs of {len(runs)}: {dict(states)}, "
        f"{time.monotonic() - begun:.0f} s; task runs {min(tasks.values())} to "
        f"{max(tasks.values())} a site (at most {_MOST_TASK_RUNS}), {unended} without an end; "
        f"runs with a record of each state: {dict(told)}; {spent():.0f} CPU s"
    )


def on_disk(home: Path) -> dict[str, tuple[int, str]]:
    """Return time of change and digest of every file that nights have committed."""
    return {
        str(path.relative_to(home)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for pattern in _PATTERNS
        for path in home.glob(pattern)
        if path.is_file()
    }


if __name__ == "__main__":
    main()
