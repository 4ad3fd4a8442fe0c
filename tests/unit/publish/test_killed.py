"""A publish that is killed leaves the old release or the new one, and the next run ends it."""

from __future__ import annotations

import multiprocessing as mp
import shutil
import signal
from pathlib import Path

import pytest

from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import make_cohort
from tests.unit.publish.killed import publish, publish_until
from tests.unit.publish.test_release import files_below, release

pytestmark = pytest.mark.slow

NEVER_REPEATS = {"cohort.duckdb", "SHA256SUMS", "SHA256SUMS.minisig"}


def compared(folder: Path) -> dict[str, str]:
    return {path: h for path, h in files_below(folder).items() if path not in NEVER_REPEATS}


def test_whatever_the_moment_nothing_is_torn_and_the_next_run_gives_the_same_bytes(
    tmp_path: Path,
) -> None:
    base, whole = tmp_path / "base", tmp_path / "whole"
    release(base, make_cohort())
    shutil.copytree(base, whole, symlinks=True)
    publish(whole)
    reference = compared(whole / "releases" / "1.1.0")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["tests.unit.publish.killed"])
    moments, killed = [1, 7, 60, 150, 190, 215, 225, 235, 900], 0
    for moment in moments:
        home = tmp_path / f"home-{moment}"
        shutil.copytree(base, home, symlinks=True)
        process = context.Process(target=publish_until, args=(home, moment))
        process.start()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        killed += process.exitcode != 0
        seen = [p for p in (home / "releases").iterdir() if not p.name.startswith(".")]
        assert {p.name for p in seen} <= {"1.0.0", "1.1.0", "latest"}
        assert (home / "releases" / "latest" / "SHA256SUMS").is_file()
        if (home / "releases" / "1.1.0").exists():
            assert compared(home / "releases" / "1.1.0") == reference
        publish(home)
        names = {p.name for p in (home / "releases").iterdir()}
        assert names == {"1.0.0", "1.1.0", "latest"}
        assert compared(home / "releases" / "latest") == reference
    assert killed >= len(moments) // 2
    assert verify_release(whole / "releases" / "latest") == []
