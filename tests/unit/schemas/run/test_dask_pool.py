"""Work on other machines: as here, also when a worker dies; unfit workers and dead schedulers told.

A real scheduler and real workers, with certificates.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dask.config
import pytest
from distributed import Client, Security

from schemas.errors import BadInputError, EnvironmentProblemError
from schemas.run.dask_pool import dask_workers
from schemas.run.pool import Loss, run_in_order, run_isolated
from schemas.run.settings import Settings, read_settings
from schemas.run.work import spread_over
from tests.dask_cluster import Cluster, running_cluster

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dask")]


def noted(item: tuple[Path, int]) -> tuple[int, int]:
    """Say in a file that an item was done, slowly; return it and whose child did it."""
    folder, number = item
    time.sleep(0.15)
    with (folder / f"{number}.done").open("a") as stream:
        stream.write("x")
    return number, os.getppid()


def answer(item: str) -> str:
    if item == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "hang":
        time.sleep(60)
    if item == "fail":
        raise RuntimeError("told to")
    return item.upper()


_RUN = """
import sys
from pathlib import Path
from tests.unit.schemas.run import test_dask_pool as here
folder, url = Path(sys.argv[1]), sys.argv[2]
with here.dask_workers(here.settings(folder), url) as workers, here.spread_over(workers):
    list(here.run_isolated(here.noted, [(folder, number) for number in range(400)], workers=2))
"""


def square(number: int) -> int:
    if number == 7:
        raise EnvironmentProblemError("the disk is full", hint="Mend it.")
    return number * number


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with running_cluster(tmp_path, workers=2) as made:
        for name, value in made.environment.items():
            if name.startswith("DASK_"):
                monkeypatch.setenv(name, value)
        dask.config.refresh()
        yield made
    monkeypatch.undo()
    dask.config.refresh()


def settings(tmp_path: Path) -> Settings:
    (tmp_path / "home").mkdir(exist_ok=True)
    return Settings(home=tmp_path / "home")


def test_work_is_done_by_both_workers_and_losses_and_errors_are_as_here(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = ["a", "die", "b", "hang", "c", "fail", "d"]
    with dask_workers(settings(tmp_path), cluster.url) as executor, spread_over(executor):
        found = dict(run_isolated(answer, items, workers=2, timeout_s=lambda _: 5.0))
        numbered = [(tmp_path, n) for n in range(12)]
        done = dict(run_isolated(noted, numbered, workers=2))
        with pytest.raises(EnvironmentProblemError, match="the disk is full"):
            list(
                run_in_order(
                    square, range(40), workers=2, on_death=square, together=lambda n: n // 5
                )
            )
    assert found == {
        0: "A", 1: Loss.DIED, 2: "B", 3: Loss.TIMEOUT, 4: "C", 5: Loss.FAILED, 6: "D",
    }  # fmt: skip
    results = [one for one in done.values() if isinstance(one, tuple)]
    assert sorted(number for number, _ in results) == list(range(12))
    assert len({server for _, server in results}) == 2


def test_a_killed_worker_costs_its_share_only_and_finished_ones_are_not_done_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = [(tmp_path, number) for number in range(60)]
    kept: set[int] = set()
    with dask_workers(settings(tmp_path), cluster.url) as executor, spread_over(executor):
        results: dict[int, object] = {}
        for index, outcome in run_isolated(noted, items, workers=2):
            results[index] = outcome
            if not kept:
                kept = {index}
            elif len(results) == 20:
                # Two of six shares are here whole.
                kept = set(results)
                os.killpg(cluster.workers[0].pid, signal.SIGKILL)
    assert set(results) == set(range(60))
    assert all(isinstance(outcome, tuple) for outcome in results.values())
    times = {n: len((tmp_path / f"{n}.done").read_text()) for n in range(60)}
    assert len(kept) == 20
    assert {times[number] for number in kept} == {1}
    assert sum(times.values()) <= 60 + 10, "more than the share of the dead worker was done again"


def test_what_a_killed_run_had_given_is_given_up_by_the_workers(
    cluster: Cluster, tmp_path: Path
) -> None:
    """A worker that goes on would write into the scratch of the next night."""
    command = [sys.executable, "-c", _RUN, str(tmp_path), cluster.url]
    run = subprocess.Popen(command, env={**cluster.environment, "PYTHONPATH": str(Path.cwd())})
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.done"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    run.kill()
    run.wait()
    then, since = 0, time.monotonic()
    while time.monotonic() - since < 3:
        if (now := len(list(tmp_path.glob("*.done")))) != then:
            then, since = now, time.monotonic()
        time.sleep(0.1)
    # Who goes on does all of them.
    assert 4 <= then < 400


def kept_by(dask_scheduler: object) -> Counter[str]:
    """Count, in the scheduler, what distributed keeps of batches that are over."""
    gc.collect()
    kinds = ("Span", "TaskGroup", "TaskState", "ClientState", "Computation")
    found = Counter(type(one).__name__ for one in gc.get_objects())
    return Counter({kind: found[kind] for kind in kinds if found[kind]})


def test_a_scheduler_keeps_nothing_of_the_batches_of_past_nights(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Each night has a connection of its own, and the scheduler serves nights for months."""

    def after(nights: int) -> Counter[str]:
        for _ in range(nights):
            with dask_workers(settings(tmp_path), cluster.url) as workers, spread_over(workers):
                assert dict(run_isolated(str.upper, ["a", "b"], workers=2)) == {0: "A", 1: "B"}
        address = cluster.url.replace("dask://", "tls://")
        deadline = time.monotonic() + 60
        with Client(address, security=Security(require_encryption=True)) as client:
            # A task is forgotten when its connection's end is noticed.
            while (found := client.run_on_scheduler(kept_by))["TaskState"]:
                assert time.monotonic() < deadline, found
                time.sleep(0.1)
            return Counter(found)

    few = after(2)
    assert few["Span"] == 0
    assert after(6) == few


def test_a_scheduler_that_dies_ends_the_work_with_a_reason(
    cluster: Cluster, tmp_path: Path
) -> None:
    items = [(tmp_path, number) for number in range(200)]
    with dask_workers(settings(tmp_path), cluster.url) as executor, spread_over(executor):
        found = run_isolated(noted, items, workers=2)
        next(found)
        os.killpg(cluster.scheduler.pid, signal.SIGKILL)
        with pytest.raises(EnvironmentProblemError, match="scheduler is gone"):
            list(found)


def test_a_worker_that_does_not_see_the_home_does_nothing_and_no_file_is_blamed(
    cluster: Cluster, tmp_path: Path
) -> None:
    with dask_workers(settings(tmp_path), cluster.url) as executor, spread_over(executor):
        (tmp_path / "home" / "operations" / "executor-token").write_text("another home")
        with pytest.raises(EnvironmentProblemError, match="does not see the home"):
            list(run_isolated(answer, ["a", "b"], workers=2))


def test_a_worker_that_may_start_no_processes_is_told_how_to_be_started(
    cluster: Cluster, tmp_path: Path
) -> None:
    for worker in cluster.workers:
        os.killpg(worker.pid, signal.SIGKILL)
    cluster.add_worker("--nanny")
    with (
        dask_workers(settings(tmp_path), cluster.url) as executor,
        spread_over(executor),
        pytest.raises(EnvironmentProblemError, match="start it with --no-nanny"),
    ):
        list(run_isolated(answer, ["a", "b"], workers=2))


def test_without_certificates_or_a_scheduler_nothing_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(EnvironmentProblemError, match="no certificates"),
        dask_workers(settings(tmp_path), "dask://127.0.0.1:1"),
    ):
        pass
    monkeypatch.setenv("LIVERCOHORT_EXECUTOR", "ray://here")
    with pytest.raises(BadInputError, match="dask://HOST:PORT"):
        read_settings()
    monkeypatch.setenv("LIVERCOHORT_EXECUTOR", "dask://node-1:8786")
    assert read_settings().executor == "dask://node-1:8786"
