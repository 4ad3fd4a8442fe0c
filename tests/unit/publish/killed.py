"""A publish that kills itself at the n-th thing it asks of the file system."""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path

from schemas.vault.keys import KeyRing
from tasks.publish.signature import Signer
from tasks.publish.store import build_release, sweep_staging
from tests.unit.publish.cohort import make_cohort, make_facts, make_sources

_TOUCHES = {"open", "os.mkdir", "os.link", "os.rename", "os.symlink", "os.remove", "os.rmdir"}


def publish(home: Path) -> None:
    """Publish 1.1.0 as the flow does: sweep, then build."""
    tables = make_cohort(extra_subject="S92-DDDD5555")
    sources = make_sources(home / "warehouse", tables)
    sweep_staging(home / "releases")
    build_release(
        tables,
        releases_dir=home / "releases",
        nifti_sources=sources,
        facts=make_facts(),
        signer=Signer.of(KeyRing(bytes(range(32)))),
    )


def publish_until(home: Path, moment: int) -> None:
    """Publish, but be killed at the moment given (counted in touches of `releases/`)."""
    counter, mark = count(1), str(home / "releases")

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        touched = event in _TOUCHES and any(mark in str(one) for one in arguments[:2])
        if touched and next(counter) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    publish(home)
