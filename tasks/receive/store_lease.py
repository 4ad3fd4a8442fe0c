"""One run per site at a time: a lease with owner, host, pid, heartbeat and expiry.

A scheduler's own concurrency slot is not enough: a run stuck before it starts holds the slot
and every later night is cancelled. A lease expires by itself and a dead owner's is taken over.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from schemas.errors import BusyError
from schemas.run.atomic_files import write_bytes
from schemas.run.forking import beating
from schemas.run.zones import Zones

EXPIRY_S = 600.0
HEARTBEAT_S = 60.0


@contextmanager
def lease(zones: Zones, name: str) -> Iterator[None]:
    """Hold the lease of a site, or of the release, for the time of the block.

    Raises
    ------
    BusyError
        If a living run holds it.
    """
    path = _place(zones, name)
    owner = uuid.uuid4().hex
    _acquire(path, name, owner)
    _HELD[path] = owner
    try:
        with beating(partial(_beat, path, owner), HEARTBEAT_S):
            yield
    finally:
        _HELD.pop(path, None)
        if _read(path).get("owner") == owner:
            path.unlink(missing_ok=True)


#: What this process holds, by the file of the lease.
_HELD: dict[Path, str] = {}


def require_still_held(zones: Zones, name: str) -> None:
    """Raise BusyError if another run has taken over what this process held.

    A host that slept, or was cut off from the disk, longer than a lease lasts finds that out
    here: scratch and batches are the other run's now, and nothing of them may be touched.
    """
    path = _place(zones, name)
    owner = _HELD.get(path)
    if owner is not None and _read(path).get("owner") != owner:
        raise BusyError(
            f"another run has taken {name} over from this one",
            where=f"process {os.getpid()}",
            expected="a host that does not sleep, and a disk that stays in reach",
            hint="This run stops and touches nothing more; the other one goes on.",
        )


def _place(zones: Zones, name: str) -> Path:
    return zones.operations / "leases" / f"{name}.json"


def require_free(zones: Zones, name: str) -> None:
    """Raise BusyError if a living run holds the site now; a look, not a promise."""
    path = _place(zones, name)
    if path.is_file() and not _is_dead(_read(path), path):
        raise _busy(path, name)


def require_all_free(zones: Zones, prefix: str) -> None:
    """Raise BusyError if a living run holds a lease whose name begins so; sweep those of dead."""
    for path in sorted(_place(zones, prefix).parent.glob(f"{prefix}*.json")):
        require_free(zones, path.stem)
        path.unlink(missing_ok=True)


def _acquire(path: Path, name: str, owner: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            holder = _read(path)
            if not _is_dead(holder, path):
                break
            # Renamed, not deleted: of two runs that find it dead, only one can move it away.
            grave = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
            try:
                path.rename(grave)
            except FileNotFoundError:
                continue
            grave.unlink()
            continue
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(_content(owner))
        except OSError:
            path.unlink(missing_ok=True)  # a full disk must not leave a lease that nobody owns
            raise
        return
    raise _busy(path, name)


def _busy(path: Path, name: str) -> BusyError:
    holder = _read(path)
    return BusyError(
        f"another run holds {name}",
        where=f"host {holder.get('host', 'unknown')}, process {holder.get('pid', 'unknown')}",
        hint=f"Wait for it to end; a dead run's lease expires within {EXPIRY_S / 60:.0f} minutes.",
    )


def _content(owner: str) -> bytes:
    facts = {
        "owner": owner,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "heartbeat": time.time(),
    }
    return json.dumps(facts).encode()


def _beat(path: Path, owner: str) -> None:
    # A disk that is full now may have room at the next beat; the beats must not end.
    with suppress(OSError):
        if _read(path).get("owner") == owner:
            write_bytes(path, _content(owner))


def _read(path: Path) -> dict[str, object]:
    try:
        facts: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts


def _is_dead(holder: dict[str, object], path: Path) -> bool:
    """Return whether the holder is gone; a living process is never that, whatever a clock says."""
    if holder.get("host") != socket.gethostname():
        return _silent_s(path) > EXPIRY_S
    if holder.get("started") not in (None, _started(holder.get("pid"))):
        return True  # its number went to another process since
    try:
        os.kill(int(str(holder["pid"])), 0)
    except (ProcessLookupError, KeyError, ValueError):
        # A lease without content yet is being written by its owner right now.
        return "pid" in holder
    except PermissionError:
        return False
    return False


def _silent_s(path: Path) -> float:
    """Return for how long nobody touched a lease, by the clock of the disk it lies on.

    Clocks of two hosts may differ by more than a lease lasts; both files here have their times
    from the same one.
    """
    probe = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        probe.touch(exist_ok=False)
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # given back meanwhile: the next look finds it free
    finally:
        probe.unlink(missing_ok=True)


def _started(pid: object) -> str | None:
    """Return when a process began, in ticks since boot; None where that is not told."""
    try:
        fields = Path(f"/proc/{int(str(pid))}/stat").read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return None
    # The name in brackets may hold blanks; 22 - 2 fields stand before the start (proc(5)).
    return fields.rpartition(")")[2].split()[19]
