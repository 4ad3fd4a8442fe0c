"""`status` tells what is not there: a killed night, a full disk, a wrong key, a lost batch."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import LIVERCOHORT, Ended, clean_environment, run
from tests.flows.exports import cut_export, new_home, write_key

pytestmark = pytest.mark.slow


def told(ended: Ended) -> dict[str, str]:
    return {one["kind"]: one["level"] for one in ended.json()["attention"]}


def copied(night: Path, folder: Path) -> Path:
    home = folder / "home"
    shutil.copytree(night, home, symlinks=True)
    return home


def test_after_a_good_night_nothing_must_be_acted_on(night: Path) -> None:
    ended = run("status", "--home", night, "--json")
    assert ended.code == 0, ended.out
    facts = ended.json()
    assert all(one["level"] == "look" for one in facts["attention"])
    (site,) = (s for s in facts["standing"]["sites"] if s["site_code"] == "S91")
    assert site["night"]["state"] == "done"
    assert site["queries"]["waiting_for_export"] > 0


def test_a_batch_folder_that_is_gone_is_told_and_status_fails(night: Path, tmp_path: Path) -> None:
    home = copied(night, tmp_path)
    (batch,) = (home / "warehouse" / "batches" / "S91").iterdir()
    shutil.rmtree(batch)
    ended = run("status", "--home", home)
    assert ended.code == 1
    assert f"batch {batch.name} was committed and is gone" in ended.out


def test_a_ready_export_whose_run_was_killed_is_told(whole_export: Path, tmp_path: Path) -> None:
    home = new_home(tmp_path)
    cut_export(whole_export, home / "inbox", series=2)
    process = subprocess.Popen(
        [LIVERCOHORT, "ingest", "S91", "--home", home],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 100
    while not list(home.glob("operations/nights/S91/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    running = run("status", "--home", home, "--json")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "night" not in told(running)
    ended = run("status", "--home", home, "--json")
    assert ended.code == 1
    assert told(ended) == {"night": "act", "ready": "look"}


def test_a_wrong_key_and_a_missing_one_are_told(night: Path, tmp_path: Path) -> None:
    home = copied(night, tmp_path)
    write_key(home / "restricted" / "key", bytes(range(1, 33)))
    ended = run("status", "--home", home, "--json")
    assert (ended.code, told(ended)["key"]) == (1, "act")
    (home / "restricted" / "key").unlink()
    assert told(run("status", "--home", home, "--json"))["key"] == "act"


def test_a_disk_below_what_is_wanted_is_told(night: Path) -> None:
    ended = run("status", "--home", night, "--json", LIVERCOHORT_MIN_FREE_GIB="1e9")
    assert (ended.code, told(ended)["disk"]) == (1, "act")


def test_the_digest_of_that_morning_is_written_and_names_nobody(
    night: Path, tmp_path: Path
) -> None:
    home = copied(night, tmp_path)
    ended = run("digest", "--home", home)
    assert ended.code == 0, ended.err
    (page,) = home.glob("operations/digests/*.md")
    assert page.read_text(encoding="utf-8").strip() == ended.out.strip()
    facts: dict[str, Any] = json.loads(page.with_suffix(".json").read_bytes())
    assert facts["sites"][0]["site_code"] == "S91"
    assert (home / "operations" / "metrics" / "livercohort.prom").read_text().endswith("# EOF\n")
