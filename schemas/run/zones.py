"""The zones on disk: which folder holds what, and who may read it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.identifiers import BatchId, SeriesUid, SiteCode

if TYPE_CHECKING:
    from pydantic import SecretStr

#: The folder of a home that holds what identifies people.
RESTRICTED = "restricted"


@dataclass(frozen=True)
class Zones:
    """Folders below `LIVERCOHORT_HOME`. Properties name places; only `create` touches disk."""

    home: Path
    inbox_dir: Path | None = None
    vault_url: SecretStr | None = None

    @property
    def inbox(self) -> Path:
        """What sites deliver: identifiable, read-only for us."""
        return self.inbox_dir.absolute() if self.inbox_dir else self.home / "inbox"

    @property
    def restricted(self) -> Path:
        """Key, vault, quarantine, raw forms: mode 0700."""
        return self.home / RESTRICTED

    @property
    def vault_file(self) -> Path:
        """The pseudonym vault where no PostgreSQL database is set (SQLite, fields encrypted)."""
        return self.restricted / "vault.sqlite"

    @property
    def vault(self) -> Path | SecretStr:
        """Where the pseudonym vault lies."""
        return self.vault_url or self.vault_file

    @property
    def look_up_head(self) -> Path:
        """How long the look-up log was and its last link, sealed, apart from the log."""
        return self.restricted / "look_up_head.sealed"

    def quarantine(self, site: SiteCode, batch: BatchId) -> Path:
        """Bytes set aside of one batch, with `reasons.csv`."""
        return self.restricted / "quarantine" / site / batch

    def restricted_batch(self, site: SiteCode, batch: BatchId) -> Path:
        """Sealed forms, file paths and identifier dictionary of one batch."""
        return self.restricted / "batches" / site / batch

    def outgoing(self, site: str) -> Path:
        """Return where files to one site lie, with its own numbers and real dates."""
        return self.restricted / "outgoing" / site

    def answers(self, site: str) -> Path:
        """Return where answer files lie as one site sent them."""
        return self.restricted / "answers" / site

    @property
    def work(self) -> Path:
        """Scratch of running batches (identifiable): mode 0700, safe to delete when idle."""
        return self.home / "work"

    @property
    def warehouse(self) -> Path:
        """De-identified, append-only."""
        return self.home / "warehouse"

    def batch(self, site: SiteCode, batch: BatchId) -> Path:
        """Tables and `batch.json` of one committed batch."""
        return self.warehouse / "batches" / site / batch

    def dicom_series(self, site: SiteCode, series: SeriesUid) -> Path:
        """De-identified instances of one series."""
        return self.warehouse / "dicom" / site / series

    def nifti_series(self, site: SiteCode, series: SeriesUid) -> Path:
        """Volumes of one series."""
        return self.warehouse / "nifti" / site / series

    @property
    def releases(self) -> Path:
        """Immutable cohort releases."""
        return self.home / "releases"

    @property
    def signatures(self) -> Path:
        """Who signed which decision of the protocol, in this home."""
        return self.home / "decisions" / "signatures.csv"

    @property
    def operations(self) -> Path:
        """Times, run ids, metrics, known exports: never part of a release."""
        return self.home / "operations"

    @property
    def reports(self) -> Path:
        """Static report sites, one folder per run."""
        return self.home / "reports"

    @property
    def logs(self) -> Path:
        """Log files of our own commands."""
        return self.home / "logs"

    @property
    def prefect_home(self) -> Path:
        """Prefect's own database and settings."""
        return self.home / "prefect"

    def create(self) -> None:
        """Make the zones; the identifiable ones are closed to other users.

        Whatever mask this process was given, nobody else may write what it makes.
        """
        os.umask(os.umask(0o022) | 0o022)
        for closed in (self.restricted, self.work):
            closed.mkdir(parents=True, exist_ok=True, mode=0o700)
            closed.chmod(0o700)
        for zone in (self.warehouse, self.releases, self.operations, self.reports, self.logs):
            zone.mkdir(parents=True, exist_ok=True)
        self.inbox.mkdir(parents=True, exist_ok=True)
