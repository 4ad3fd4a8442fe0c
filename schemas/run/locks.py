"""Locks of this home: files of our own user, never reached through a link."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import EnvironmentProblemError
from schemas.run.atomic_files import make_folder


@contextmanager
def held_lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock file below the home for the time of the block; wait for whoever holds it.

    Raises
    ------
    EnvironmentProblemError
        If the file is a link or another user's: whoever can open it could hold it for ever.
    """
    make_folder(path.parent)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise _not_ours(path, os.strerror(error.errno or 0)) from None
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise _not_ours(path, "it belongs to another user")
        os.fchmod(descriptor, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _not_ours(path: Path, why: str) -> EnvironmentProblemError:
    return EnvironmentProblemError(
        f"a lock file cannot be used: {why}",
        where=str(path),
        expected="a plain file of this user",
        hint="Find out who put it there, remove it, and run again.",
    )
