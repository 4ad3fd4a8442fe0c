"""A night whose work is done by the workers of a Dask scheduler: the same bytes, or a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dask_cluster import running_cluster
from tests.flows.conftest import COMMITTED, require_one_error, run
from tests.flows.exports import cut_export, file_bytes, new_home

pytestmark = pytest.mark.slow


def test_a_night_on_two_workers_commits_the_same_bytes(
    night: Path, whole_export: Path, tmp_path: Path
) -> None:
    home = new_home(tmp_path)
    cut_export(whole_export, home / "inbox", series=2, planted=True)
    with running_cluster(tmp_path, workers=2) as cluster:
        dask = {k: v for k, v in cluster.environment.items() if k.startswith("DASK_")}
        ended = run(
            "ingest", "S91", "--home", home,
            LIVERCOHORT_EXECUTOR=cluster.url, **dask,
        )  # fmt: skip
        assert ended.code == 0, ended.out + ended.err
        # What forks the processes of a worker starts with its first share, and stays.
        assert all(children_of(worker.pid) for worker in cluster.workers)
        logs = [cluster.folder / name for name in ("scheduler.log", "worker0.log", "worker1.log")]
        told = "".join(path.read_text(encoding="utf-8") for path in logs)
    assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
    assert list((home / "work").iterdir()) == []
    assert "Compute Failed" not in told


def children_of(process: int) -> str:
    return "".join(p.read_text() for p in Path(f"/proc/{process}/task").glob("*/children"))


def test_an_executor_that_is_none_is_refused_by_its_name(tmp_path: Path) -> None:
    ended = run("status", "--home", tmp_path, LIVERCOHORT_EXECUTOR="dask:8786")
    require_one_error(ended, 2, about="LIVERCOHORT_EXECUTOR is not usable")
