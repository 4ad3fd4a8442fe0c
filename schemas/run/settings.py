"""Where everything lies and how many workers run; the only place that reads the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import BadInputError
from schemas.run.zones import Zones

if TYPE_CHECKING:
    from pydantic import SecretStr

_PREFIX = "LIVERCOHORT_"
_MAX_WORKERS = 256
PROCESSES = "processes"
_DASK = re.compile(r"dask://(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}")
#: A hospital network is closed: nothing of ours or of a library may look outward.
#: Prefect's values are read when it is first imported, so this runs before.
QUIET_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    "PREFECT_LOGGING_LOG_PRINTS": "false",
    # What a server answers while its database restarts: asked again, four times, later and later,
    # half a minute in all.
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    "PREFECT_CLIENT_MAX_RETRIES": "4",
}
#: On the command line our own progress lines are what a person reads; Prefect's go to its API.
_PREFECT_CONSOLE_LEVEL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"


@dataclass(frozen=True)
class Settings:
    """Settings of one run, from `LIVERCOHORT_*` environment variables.

    `home` is the root of all zones; `key_file` the master key, by default in restricted/;
    `inbox` where sites deliver, by default home/inbox; `load_sites` site files X001 and up of
    a load test; `vault_url` the PostgreSQL database of the vault, by default a file in
    restricted/; `releases_url` and `warehouse_url` where these are kept as well, a path or an
    s3:// URL; `workers` the processes in a stage's pool; `executor` whose they are, `processes`
    of this machine or those behind a scheduler, `dask://HOST:PORT`; `validator` the program that
    one object of each series is checked with, empty for none; `min_free_gib` the free space
    below which somebody is told; `notify_webhook` and `notify_mail` where messages go (an
    https:// URL that takes JSON, and
    smtp[s]://[USER:PASSWORD@]HOST[:PORT]/?from=ADDRESS&to=ADDRESS). Plain, because every command
    reads them before it does anything else.
    """

    home: Path = Path("var")
    key_file: Path | None = None
    inbox: Path | None = None
    load_sites: Path | None = None
    vault_url: SecretStr | None = None
    releases_url: str | None = None
    warehouse_url: str | None = None
    workers: int = 2
    executor: str = PROCESSES
    validator: str = "dciodvfy"
    min_free_gib: float = 5.0
    notify_webhook: SecretStr | None = None
    notify_mail: SecretStr | None = None

    @property
    def zones(self) -> Zones:
        """Zones on disk below `home`."""
        return Zones(self.home.absolute(), inbox_dir=self.inbox, vault_url=self.vault_url)

    @property
    def master_key_file(self) -> Path:
        """The file that holds the master key."""
        return self.key_file or self.zones.restricted / "key"


def read_settings() -> Settings:
    """Read the settings of this process from its environment.

    Raises
    ------
    BadInputError
        If LIVERCOHORT_WORKERS is no number from 1 to 256, another number is none, or
        LIVERCOHORT_EXECUTOR is neither `processes` nor an address.
    """
    home = _path("HOME")
    return Settings(
        home=Settings.home if home is None else home,
        key_file=_path("KEY_FILE"),
        inbox=_path("INBOX"),
        load_sites=_path("LOAD_SITES"),
        vault_url=_secret("VAULT_URL"),
        releases_url=os.environ.get(_PREFIX + "RELEASES_URL"),
        warehouse_url=os.environ.get(_PREFIX + "WAREHOUSE_URL"),
        workers=_workers(),
        executor=_executor(),
        validator=os.environ.get(_PREFIX + "VALIDATOR", Settings.validator),
        min_free_gib=_min_free_gib(),
        notify_webhook=_secret("NOTIFY_WEBHOOK"),
        notify_mail=_secret("NOTIFY_MAIL"),
    )


def own_environment() -> dict[str, str]:
    """Return every `LIVERCOHORT_*` variable of this process, those it knows nothing of as well."""
    return {name: os.environ[name] for name in sorted(os.environ) if name.startswith(_PREFIX)}


def _path(name: str) -> Path | None:
    value = os.environ.get(_PREFIX + name)
    return None if value is None else Path(value)


def _secret(name: str) -> SecretStr | None:
    value = os.environ.get(_PREFIX + name)
    if value is None:
        return None
    from pydantic import SecretStr  # takes longer to load than all the other settings to read

    return SecretStr(value)


def _workers() -> int:
    text = os.environ.get(_PREFIX + "WORKERS", str(Settings.workers)).strip()
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MAX_WORKERS):
        raise BadInputError(
            "LIVERCOHORT_WORKERS is not a usable number", expected=f"1 to {_MAX_WORKERS}"
        )
    return int(text)


def _executor() -> str:
    text = os.environ.get(_PREFIX + "EXECUTOR", PROCESSES).strip()
    if text != PROCESSES and not _DASK.fullmatch(text):
        raise BadInputError(
            "LIVERCOHORT_EXECUTOR is not usable", expected=f"{PROCESSES} or dask://HOST:PORT"
        )
    return text


def _min_free_gib() -> float:
    text = os.environ.get(_PREFIX + "MIN_FREE_GIB", str(Settings.min_free_gib))
    try:
        wanted = float(text)
    except ValueError:
        wanted = -1.0
    if not 0 <= wanted < float("inf"):
        raise BadInputError(
            "LIVERCOHORT_MIN_FREE_GIB is not a usable number", expected="GiB, 0 or more"
        )
    return wanted


@dataclass(frozen=True)
class S3Environment:
    """What the environment says of an S3 store; empty where it says nothing."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    region: str
    profile: str
    credentials_file: Path


def read_s3_environment() -> S3Environment:
    """Return keys, region and profile by the variables that every S3 tool reads."""
    said = os.environ.get
    return S3Environment(
        access_key=said("AWS_ACCESS_KEY_ID", ""),
        secret_key=said("AWS_SECRET_ACCESS_KEY", ""),
        session_token=said("AWS_SESSION_TOKEN", ""),
        region=said("AWS_REGION") or said("AWS_DEFAULT_REGION") or "us-east-1",
        profile=said("AWS_PROFILE") or "default",
        credentials_file=Path(
            said("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws" / "credentials"
        ),
    )


def apply_environment(
    *, home: Path | None = None, inbox: Path | None = None, workers: int | None = None
) -> Settings:
    """Fix home and telemetry for this process and its children, before Prefect is imported.

    A user's own `PREFECT_*` value stays, except where it would let telemetry out.
    """
    if home is not None:
        os.environ["LIVERCOHORT_HOME"] = str(home.absolute())
    if inbox is not None:
        os.environ["LIVERCOHORT_INBOX"] = str(inbox.absolute())
    if workers is not None:
        os.environ["LIVERCOHORT_WORKERS"] = str(workers)
    settings = read_settings()
    os.environ.update(QUIET_ENVIRONMENT)
    # Stages work in processes; threads of linear algebra, started with each, only cost.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PREFECT_HOME", str(settings.zones.prefect_home))
    os.environ.setdefault(_PREFECT_CONSOLE_LEVEL, "CRITICAL")
    return settings
