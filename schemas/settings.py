"""Where everything lies and how many workers run; the only place that reads the environment."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.zones import Zones

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
}
#: On the command line our own progress lines are what a person reads; Prefect's go to its API.
_PREFECT_CONSOLE_LEVEL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"


class Settings(BaseSettings):
    """Settings of one run, from `LIVERCOHORT_*` environment variables."""

    model_config = SettingsConfigDict(env_prefix="LIVERCOHORT_", frozen=True)

    home: Path = Field(default=Path("var"), description="Root of all zones on disk.")
    key_file: Path | None = Field(default=None, description="Master key; default restricted/key.")
    inbox: Path | None = Field(default=None, description="Where sites deliver; default home/inbox.")
    load_sites: Path | None = Field(
        default=None, description="Site files X001 and up of a load test; none without it."
    )
    vault_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL database of the vault; default restricted/vault.sqlite.",
    )
    workers: int = Field(default=2, ge=1, le=256, description="Processes in a stage's pool.")

    @property
    def zones(self) -> Zones:
        """Zones on disk below `home`."""
        return Zones(self.home.absolute(), inbox_dir=self.inbox, vault_url=self.vault_url)

    @property
    def master_key_file(self) -> Path:
        """The file that holds the master key."""
        return self.key_file or self.zones.restricted / "key"


def read_settings() -> Settings:
    """Read the settings of this process from its environment."""
    return Settings()


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
    os.environ.setdefault("PREFECT_HOME", str(settings.zones.prefect_home))
    os.environ.setdefault(_PREFECT_CONSOLE_LEVEL, "CRITICAL")
    return settings
