"""The record of each night at each site: begun, and how it ended; the truth that Prefect shows.

`operations/nights/<SITE>/<begun>.json`. A record that says *running* while nobody holds the
site's lease is of a run that was killed: nothing else would ever tell of it.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from schemas.errors import LivercohortError, NightIncompleteError
from schemas.run.atomic_files import canonical_json, write_bytes
from schemas.run.progress import step_now
from schemas.run.zones import Zones

_KEPT = 400
_CLOCKS_DIFFER_S = 3600.0


class NightState(StrEnum):
    """How a night stands."""

    RUNNING = "running"
    DONE = "done"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    KILLED = "killed"


#: A person has to look.
NEEDS_A_PERSON = frozenset({NightState.INCOMPLETE, NightState.FAILED, NightState.KILLED})


@dataclass(frozen=True)
class NightRecord:
    """One night: counts and redacted messages, nothing that a site has written."""

    site_code: str
    begun: str
    state: NightState
    ended: str = ""
    seconds: float = 0.0
    host: str = ""
    pid: int = 0
    batches: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    messages: tuple[str, ...] = ()


@contextmanager
def recorded_night(zones: Zones, site: str) -> Iterator[dict[str, Any]]:
    """Keep the record of a night for the time of the block.

    Yields
    ------
    dict
        To be filled with the night's `batches` (their records) and `refused` (messages).
    """
    begun = time.time()
    night: dict[str, Any] = {"batches": [], "refused": []}
    path = _folder(zones, site) / f"{stamp(begun).replace(':', '')}-{os.getpid()}.json"
    record = NightRecord(
        site, stamp(begun), NightState.RUNNING, host=socket.gethostname(), pid=os.getpid()
    )
    _write(path, record)
    state, told = NightState.FAILED, []
    try:
        yield night
        held = any(batch["state"] == "held" for batch in night["batches"])
        state = NightState.INCOMPLETE if night["refused"] or held else NightState.DONE
        told = [*night["refused"], *(["a batch is held"] if held else [])]
    except NightIncompleteError as error:
        state, told = NightState.INCOMPLETE, [error.message]
        raise
    except LivercohortError as error:
        told = [error.message]
        raise
    except Exception as error:
        told = [f"failed with {type(error).__name__}"]
        raise
    except BaseException:  # Ctrl-C, SIGTERM: the message says where
        told = [" at ".join(filter(None, ["interrupted", step_now()]))]
        raise
    finally:
        ended = time.time()
        done = NightRecord(
            **{
                **asdict(record),
                "state": state,
                "ended": stamp(ended),
                "seconds": round(ended - begun, 1),
                "batches": tuple(str(batch["batch_id"]) for batch in night["batches"]),
                "counts": _sum_counts(night["batches"]),
                "messages": tuple(told),
            }
        )
        _write(path, done)
        _forget_old(path.parent)


def last_night(zones: Zones, site: str, *, busy: bool) -> NightRecord | None:
    """Return the last night of a site; one that *runs* while nobody is `busy` was killed.

    A record from times to come was written by a clock that has been set right since: it would
    stand before every night until then, so it counts only where there is no other.
    """
    records = sorted(_folder(zones, site).glob("*.json"))
    if not records:
        return None
    to_come = stamp(time.time() + _CLOCKS_DIFFER_S).replace(":", "")
    record = _read(([path for path in records if path.name < to_come] or records)[-1])
    if record.state is NightState.RUNNING and not busy:
        return NightRecord(**{**asdict(record), "state": NightState.KILLED})
    return record


def _folder(zones: Zones, site: str) -> Path:
    return zones.operations / "nights" / site


def stamp(seconds: float) -> str:
    """Return a moment in seconds of the epoch as records of nights say it, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _sum_counts(batches: list[dict[str, Any]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for batch in batches:
        for state, number in batch["counts"].items():
            sums[state] = sums.get(state, 0) + int(number)
    return sums


def _write(path: Path, record: NightRecord) -> None:
    write_bytes(path, canonical_json(asdict(record)))


def _read(path: Path) -> NightRecord:
    facts = json.loads(path.read_bytes())
    facts["state"] = NightState(facts["state"])
    facts["batches"], facts["messages"] = tuple(facts["batches"]), tuple(facts["messages"])
    return NightRecord(**facts)


def _forget_old(folder: Path) -> None:
    for path in sorted(folder.glob("*.json"))[:-_KEPT]:
        path.unlink(missing_ok=True)
