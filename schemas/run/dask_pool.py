"""The pool of a night on workers of other machines, through a Dask scheduler.

Dask only hands out shares of a batch; each worker works one off in processes of its own, with the
bounds of time and memory that hold everywhere. Workers see the home under the same path, and run
the same code: both are checked with every share, because a worker that does not see a file would
call it unreadable. Whoever may talk to a scheduler or worker may run code as its user, and shares
hold keys: they speak TLS with certificates, on one machine too.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import secrets
import uuid
from asyncio import CancelledError as AsyncCancelledError
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import current_process
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distributed import Client, Future, Security, get_worker, wait
from distributed import TimeoutError as DaskTimeoutError
from distributed.scheduler import KilledWorker, NoValidWorkerError
from distributed.worker import thread_state

from schemas.errors import EnvironmentProblemError
from schemas.package_data import data_contracts_dir
from schemas.run.forking import preload_in_server, wanted_in_server
from schemas.run.pool import Loss, run_here
from schemas.run.settings import Settings, apply_environment
from schemas.run.work import Work

#: Shares for each thread of a worker: more are spread better, fewer start fewer processes.
_SHARES_PER_THREAD = 3
_CONNECT_S, _WORKERS_S, _LOOK_S = 30, 60.0, 10.0
_CERTIFICATES = ("tls_ca_file", "tls_client_cert", "tls_client_key")
_NOT_TAKEN = "the night ends; what was committed stays, the rest is taken in the next night"


@dataclass(frozen=True, repr=False)
class _Share:
    """Part of a batch on its way; opaque, because a scheduler shows and logs what it is given."""

    data: bytes


@dataclass(frozen=True)
class _Order:
    work: Work
    preload: tuple[str, ...]
    home: Path
    token: str
    code: str


@dataclass(frozen=True)
class _Unfit:
    """Why a worker could not do a share; nothing of it was done."""

    reason: str


class DaskExecutor:
    """Workers behind one scheduler, for the runs of one process."""

    def __init__(self, client: Client, home: Path, token: str) -> None:
        self._client, self._home, self._token = client, home, token

    def run(self, work: Work) -> Iterator[tuple[int, Any]]:
        """Yield `(index, result or Loss)` as shares end; a share whose worker died is done again.

        Raises
        ------
        EnvironmentProblemError
            If scheduler or workers are gone, or a worker is not fit: no file is to blame.
        """
        shares = self._shares(len(work.items))
        waiting = {self._send(work.share(indices)): indices for indices in shares}
        try:
            while waiting:
                for future in self._ended(list(waiting)):
                    found = _result_of(future)
                    indices = waiting.pop(future)
                    future.release()
                    yield from ((indices[place], outcome) for place, outcome in found)
        finally:
            self._client.cancel(list(waiting))

    def _shares(self, number: int) -> list[range]:
        threads = sum(self._client.nthreads().values()) or 1
        parts = min(number, threads * _SHARES_PER_THREAD)
        # Neighbours are alike, and large series stand together: each share gets some of all.
        return [range(first, number, parts) for first in range(parts)]

    def _send(self, work: Work) -> Future:
        order = _Order(work, wanted_in_server(), self._home, self._token, _code())
        share = _Share(pickle.dumps(order))
        return self._client.submit(_do, share, key=f"share-{uuid.uuid4().hex}", pure=False)

    def _ended(self, futures: list[Future]) -> Sequence[Future]:
        while True:
            try:
                return list(wait(futures, timeout=_LOOK_S, return_when="FIRST_COMPLETED").done)
            except DaskTimeoutError:
                _require_workers(self._client)
            except (CancelledError, AsyncCancelledError):
                raise _gone("the Dask scheduler is gone") from None


@contextmanager
def dask_workers(settings: Settings, url: str) -> Iterator[DaskExecutor]:
    """Have the workers behind a scheduler for the time of the block.

    Parameters
    ----------
    settings : Settings
        Whose home the workers must see.
    url : str
        `dask://HOST:PORT`; certificates come from Dask's own settings.

    Raises
    ------
    EnvironmentProblemError
        If there are no certificates, no scheduler or no worker.
    """
    parts = urlsplit(url)
    security = Security(require_encryption=True)
    lacking = [name for name in _CERTIFICATES if not getattr(security, name)]
    if lacking:
        raise EnvironmentProblemError(
            "there are no certificates for the Dask scheduler",
            where=", ".join(lacking),
            hint="Set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and __CLIENT__CERT, __CLIENT__KEY; "
            "docs/operations.md says how.",
        )
    # Its messages quote what fails.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(
            f"tls://{parts.hostname}:{parts.port}",
            security=security,
            timeout=_CONNECT_S,
        )
    except (OSError, DaskTimeoutError):
        raise EnvironmentProblemError(
            "no Dask scheduler answers",
            where="LIVERCOHORT_EXECUTOR",
            hint="Start it, or set LIVERCOHORT_EXECUTOR=processes.",
        ) from None
    try:
        _require_workers(client)
        home = settings.zones.home
        yield DaskExecutor(client, home, _token_of(home, make=True))
    finally:
        client.close()


def _require_workers(client: Client) -> None:
    if client.status != "running" and client.status != "connecting":
        raise _gone("the Dask scheduler is gone")
    try:
        client.wait_for_workers(1, timeout=_WORKERS_S)
    except (OSError, DaskTimeoutError):
        raise _gone("the Dask scheduler has no worker") from None


def _result_of(future: Future) -> list[tuple[int, Any | Loss]]:
    try:
        found = future.result()
    except (KilledWorker, NoValidWorkerError):
        raise _gone("workers of Dask died again and again") from None
    except (CancelledError, AsyncCancelledError, OSError):
        raise _gone("the Dask scheduler is gone") from None
    if isinstance(found, _Unfit):
        raise EnvironmentProblemError(f"a worker of Dask {found.reason}", hint=f"So {_NOT_TAKEN}.")
    return list(found)


def _gone(what: str) -> EnvironmentProblemError:
    return EnvironmentProblemError(what, where="LIVERCOHORT_EXECUTOR", hint=f"So {_NOT_TAKEN}.")


def _do(share: _Share) -> list[tuple[int, Any]] | _Unfit:
    """Do one share; runs on a worker."""
    try:
        order = pickle.loads(share.data)  # noqa: S301 - from who holds a certificate of ours
        reason = _unfit(order)
        if reason:
            return _Unfit(reason)
        apply_environment(home=order.home)
        os.umask(os.umask(0o022) | 0o022)
        preload_in_server(*order.preload)
        return list(run_here(order.work, workers=1, wanted=_asker()))
    except Exception as error:
        # The message may quote a header; only the kind goes back.
        return _Unfit(f"failed with {type(error).__name__}")


def _unfit(order: _Order) -> str:
    if order.code != _code():
        return "runs other code than the night: install the same version and the same tables"
    if _token_of(order.home, make=False) != order.token:
        return "does not see the home of the night: mount it under the same path"
    if current_process().daemon:
        return "may start no processes: start it with --no-nanny"
    return ""


def _asker() -> Any:
    """Return what tells whether the run that gave this share still lives and wants it."""
    worker, key = get_worker(), thread_state.key

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    return wanted


def _token_of(home: Path, *, make: bool) -> str:
    """Return what a home is known by on every machine that sees it."""
    path = home / "operations" / "executor-token"
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        beside.write_text(secrets.token_hex(16), encoding="ascii")
        try:
            os.link(beside, path)  # of two nights that begin together, one makes it
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


@cache
def _code() -> str:
    """Return a digest of the code and tables of this installation; site files say nothing here."""
    root = data_contracts_dir().parent
    digest = hashlib.sha256()
    for folder in ("data_contracts", "schemas", "tasks"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not {"__pycache__", "sites"} & set(path.parts):
                digest.update(path.relative_to(root).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
