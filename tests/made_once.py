"""Dear folders are made once a session: the workers of pytest-xdist share them through a lock.

What a test changes it copies first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.simulate.store import simulate


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of the session that whichever worker asks first has made."""
    root = factory.getbasetemp()
    # A worker's own folder lies in that of the session.
    return made_once_at(root.parent if "PYTEST_XDIST_WORKER" in os.environ else root, name, make)


def made_once_at(root: Path, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder below `root` that is made by the first asker; a failed one is made again."""
    shared = root / "made-once"
    shared.mkdir(exist_ok=True)
    folder, whole = shared / name / "folder", shared / name / "whole"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder.parent, ignore_errors=True)
            folder.mkdir(parents=True)
            make(folder)
            whole.touch()
    return folder


def simulated_once(
    factory: pytest.TempPathFactory, *, sites: int, subjects: int, nights: int, seed: int = 1
) -> Path:
    """Return exports that `simulate` wrote with these arguments and the faults of the demo."""
    return made_once(
        factory,
        f"simulated-{sites}-{subjects}-{nights}-{seed}",
        lambda out: simulate(out, sites=sites, subjects=subjects, nights=nights, seed=seed),
    )
