"""A disk that fills up: the night says so, nothing is half there, the next night is the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import COMMITTED, run
from tests.flows.exports import cut_export, file_bytes, new_home

pytestmark = pytest.mark.slow
_KIB = 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk of its own."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk here")
    try:
        yield new_home(mount)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


@pytest.mark.parametrize("rest_kib", [60, 400])
def test_a_full_disk_is_told_and_the_next_night_ends_as_if_it_had_not_been(
    rest_kib: int, small_disk: Path, whole_export: Path, night: Path
) -> None:
    home = small_disk
    cut_export(whole_export, home / "inbox", series=2, planted=True)
    ballast = home.parent / "ballast"
    with ballast.open("wb") as stream:
        stream.write(bytes(shutil.disk_usage(home).free - rest_kib * _KIB))
    ended = run("ingest", "S91", "--home", home)
    assert ended.code != 0
    assert "No space left on device" in ended.out + ended.err
    ballast.unlink()
    told = run("status", "--home", home, "--json", LIVERCOHORT_MIN_FREE_GIB="0")
    assert told.json()["states"]["accepted"] == 0
    assert [one["kind"] for one in told.json()["attention"]][-1] in ("ready", "night")
    assert told.code == 1 or told.json()["standing"]["sites"][0]["exports"]["ready"] == 1
    again = run("ingest", "S91", "--home", home)
    assert again.code == 0, again.out + again.err
    assert file_bytes(home, *COMMITTED) == file_bytes(night, *COMMITTED)
    assert list((home / "work").iterdir()) == []
