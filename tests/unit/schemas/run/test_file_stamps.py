"""A stamp stands for the bytes that were hashed under it, and for no others."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.run.file_stamps import Stamp, hashed, stamp_of


@pytest.fixture
def delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that has lain there for a while, by a clock that runs ahead."""
    path = tmp_path / "IM1"
    path.write_bytes(b"as it came")
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60 * 10**9)
    return path


def stamp_at(path: Path) -> Stamp | None:
    with path.open("rb") as stream:
        return stamp_of(stream.fileno())


def test_a_file_that_nobody_touched_has_the_stamp_it_was_hashed_under(delivered: Path) -> None:
    digest, stamp = hashed(delivered)
    assert digest == hashlib.sha256(b"as it came").hexdigest()
    assert stamp is not None
    assert stamp_at(delivered) == stamp


def write_over(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.write(b"AS IT CAME")


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"AS IT CAME")
    other.rename(path)


@pytest.mark.parametrize("change", [write_over, replace])
def test_other_bytes_of_the_same_length_and_time_have_another_stamp(
    delivered: Path, change: Callable[[Path], None]
) -> None:
    _, stamp = hashed(delivered)
    times = delivered.stat()
    time.sleep(0.02)  # more than a tick of the file system
    change(delivered)
    os.utime(delivered, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert delivered.stat().st_mtime_ns == times.st_mtime_ns
    assert stamp_at(delivered) != stamp


def test_a_file_that_was_just_written_has_none(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.write_bytes(b"a")
    assert hashed(path) == (hashlib.sha256(b"a").hexdigest(), None)
