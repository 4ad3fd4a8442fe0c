"""Read what a report shows: a release's tables, the accounts of its batches, the one before."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import BadInputError
from schemas.record_tables import records_from_table
from schemas.records import Finding
from schemas.sites import read_sites
from schemas.zones import Zones
from tasks.report.model import BatchAccount, Decision, PreviousRelease, ReportInput

LATEST = "latest"
_LINKED_FILES = (
    "README.md",
    "CHANGELOG.md",
    "cohort.duckdb",
    "data_dictionary.csv",
    "decisions.csv",
    "manifest.json",
    "SHA256SUMS",
)


def read_report_input(zones: Zones, version: str = LATEST) -> ReportInput:
    """Return everything the report of a release shows.

    Parameters
    ----------
    zones : Zones
        Whose release.
    version : str
        A version, or `latest`.

    Raises
    ------
    BadInputError
        If there is no such release.
    """
    folder = (zones.releases / version).resolve()
    if not (folder / "manifest.json").is_file():
        raise BadInputError(
            f"there is no release {version}",
            where=str(zones.releases),
            hint="Make one with `livercohort release`.",
        )
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    tables = _read_tables(folder)
    previous = manifest["predecessor"]
    return ReportInput(
        run=f"release-{folder.name}",
        release=folder.name,
        tables=tables,
        batches=_read_batches(zones, tables["ingest_batch"]),
        findings=tuple(_findings(tables["finding"])),
        decisions=_read_decisions(folder / "decisions.csv"),
        active_sites=tuple(site.code for site in read_sites() if site.schedule is not None),
        versions={
            "software": manifest["software_version"],
            "protocol": manifest["registers"]["protocol_version"],
            "mapping": manifest["mapping_version"],
        },
        release_files=tuple(name for name in _LINKED_FILES if (folder / name).is_file()),
        previous=_read_previous(zones.releases / previous) if previous else None,
    )


def _read_tables(folder: Path) -> dict[str, pa.Table]:
    return {
        path.name: pa.concat_tables(
            [pq.read_table(part) for part in sorted(path.glob("*.parquet"))]
        )
        for path in sorted((folder / "tables").iterdir())
    }


def _read_previous(folder: Path) -> PreviousRelease | None:
    if not folder.is_dir():
        return None
    return PreviousRelease(version=folder.name, tables=_read_tables(folder))


def _read_batches(zones: Zones, released: pa.Table) -> tuple[BatchAccount, ...]:
    accounts = []
    for row in released.select(["site_code", "batch_id"]).to_pylist():
        path = zones.warehouse / "batches" / row["site_code"] / row["batch_id"] / "batch.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        as_of = record["edc_export_as_of"]
        accounts.append(
            BatchAccount(
                site_code=row["site_code"],
                batch_id=row["batch_id"],
                n_files=record["n_files"],
                counts=record["counts"],
                reasons=record["reasons"],
                edc_export_as_of=dt.date.fromisoformat(as_of) if as_of else None,
            )
        )
    return tuple(accounts)


def _findings(table: pa.Table) -> Iterator[Finding]:
    """Read findings; that of no one site has an empty code here and none in the release."""
    for finding in records_from_table(table, Finding):
        yield replace(finding, site_code=finding.site_code or "")


def _read_decisions(path: Path) -> tuple[Decision, ...]:
    rows = csv.DictReader(StringIO(path.read_text(encoding="utf-8-sig")))
    names = ("decision_id", "criterion", "question", "option_chosen", "decided_by")
    return tuple(Decision(**{name: row[name] for name in names}) for row in rows)
