"""What is made once is made once, also when several ask at the same time or a maker fails."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.made_once import made_once_at


def test_of_many_askers_one_makes_and_all_read(tmp_path: Path) -> None:
    made: list[int] = []
    read: list[str] = []

    def make(folder: Path) -> None:
        made.append(1)
        time.sleep(0.05)
        (folder / "a").write_text("whole")

    def ask() -> None:
        read.append((made_once_at(tmp_path, "x", make) / "a").read_text())

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert (made, read) == ([1], ["whole"] * 4)


def test_what_a_failed_maker_left_is_not_taken_for_whole(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        made_once_at(tmp_path, "x", fails)
    folder = made_once_at(tmp_path, "x", lambda folder: (folder / "a").touch())
    assert [path.name for path in folder.iterdir()] == ["a"]
