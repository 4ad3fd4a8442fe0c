"""A lock is a plain file of our own user: nobody else can plant it or hold it for ever."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from schemas.errors import EnvironmentProblemError
from schemas.run.locks import held_lock


def test_a_lock_is_held_by_one_at_a_time_and_closed_to_others(tmp_path: Path) -> None:
    path, order = tmp_path / "deep" / "x.lock", []

    def second() -> None:
        with held_lock(path):
            order.append("second")

    with held_lock(path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert path.stat().st_mode & 0o077 == 0


def test_two_may_share_a_lock(tmp_path: Path) -> None:
    with held_lock(tmp_path / "x", shared=True), held_lock(tmp_path / "x", shared=True):
        pass


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "victim"
    (tmp_path / "x.lock").symlink_to(target)
    with pytest.raises(EnvironmentProblemError, match="lock file"), held_lock(tmp_path / "x.lock"):
        pass
    assert not target.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_a_lock_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.touch()
    os.chown(path, 65534, 65534)
    with pytest.raises(EnvironmentProblemError, match="another user"), held_lock(path):
        pass
