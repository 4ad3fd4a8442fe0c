"""A real PostgreSQL for tests: a cluster of our own from Debian's packages, on a socket."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")
_OPTIONS = "-c listen_addresses= -c fsync=off -c unix_socket_directories={folder}"


def postgres_programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`; Debian keeps it off the PATH."""
    found = shutil.which("initdb")
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return Path(found).parent if found else (versions[-1].parent if versions else None)


@contextmanager
def running_postgres(programs: Path) -> Iterator[Path]:
    """Start a new cluster and give the folder of its socket; the superuser is `vault`."""
    # Not below pytest's folder: the server refuses to run as root, and nobody else may go there.
    folder = Path(tempfile.mkdtemp(prefix="livercohort-postgres-"))
    user = "postgres" if os.getuid() == 0 else None
    if user:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)

    def call(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, "-D", folder / "data", *arguments],
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    try:
        call("initdb", "-U", "vault", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
        call(
            "pg_ctl", "-w", "-l", str(folder / "log"), "-o", _OPTIONS.format(folder=folder), "start"
        )
        try:
            yield folder
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
