"""Whether a file still is the one that was hashed, by its directory entry: then once is enough.

Its size and times are looked at while it is open, before and after it is read. The time of the
last change (`ctime`) is set by the system alone: nobody who writes to a file, replaces it, or puts
its other times back can keep it. It counts in ticks, so a file that was changed a moment ago has no
stamp: it may change again within the same tick.

What this does not see: writes through a mapping (`mmap`) to a page that was written to before and
has not gone to disk since; on tmpfs it never goes. A folder that exports arrive in is on a disk.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from schemas.identifiers import Sha256

#: More than the coarsest tick of a file system in use (FAT: 2 s).
_SETTLED_NS = 5 * 10**9


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which file it is, how long, and when it was last written to and last changed at all."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


def stamp_of(descriptor: int) -> Stamp | None:
    """Return the stamp of an open file; None for one that was changed a moment ago."""
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        return None
    if max(info.st_mtime_ns, info.st_ctime_ns) > time.time_ns() - _SETTLED_NS:
        return None
    return Stamp(info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)


def hashed(path: Path) -> tuple[Sha256, Stamp | None]:
    """Return the SHA-256 of a file, and its stamp if that held still while it was read."""
    with path.open("rb") as stream:
        before = stamp_of(stream.fileno())
        digest = Sha256(hashlib.file_digest(stream, "sha256").hexdigest())
        after = stamp_of(stream.fileno())
    return digest, (before if before == after else None)
