"""Read what a report shows: a release's tables, the accounts of its batches, the one before."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.adjudication import AdjudicationCase
from schemas.conformity import CONFORMITY_CSV, ConformityRow, parse_conformity
from schemas.decisions import parse_decisions
from schemas.errors import BadInputError
from schemas.package_data import data_contracts_dir
from schemas.records import Finding, QueryRow
from schemas.rule_documents import read_document
from schemas.run.sites import read_sites
from schemas.run.zones import Zones
from schemas.tables.record_tables import records_from_table
from schemas.verification_counts import read_counts
from tasks.report.model import (
    BatchAccount,
    ColumnLine,
    Decision,
    PreviousRelease,
    ReleaseDocuments,
    ReportInput,
    read_cohort,
)
from tasks.report.picture_plan import plan_pictures
from tasks.report.store import WrittenReport, write_report
from tasks.report.store_adjudication import write_adjudication_pages
from tasks.report.store_evaluations import read_enrolled_by_month, read_evaluations
from tasks.report.store_history import standing_since
from tasks.report.store_pictures import PictureStore
from tasks.report.store_reviews import read_reviews
from tasks.report.subject_view import series_of_subjects

LATEST = "latest"
PICTURE_STORE = ".pictures"
#: Tables of a release → the rows that a report may show.
Kept = Callable[[Mapping[str, pa.Table]], dict[str, pa.Table]]
_LIMITS = ("mri_window_days", "pathology_window_days", "follow_up_months")
_LINKED_FILES = (
    "README.md",
    "CHANGELOG.md",
    "cohort.duckdb",
    "data_dictionary.csv",
    "decisions.csv",
    "manifest.json",
    "CONFORMITY.md",
    "conformity.csv",
    "validation.json",
    "SHA256SUMS",
)


def build_report(
    zones: Zones,
    version: str = LATEST,
    workers: int = 2,
    queries: Sequence[QueryRow] = (),
    cases: Sequence[AdjudicationCase] | None = None,
    *,
    keep: Kept = dict,
    at_last: Callable[[], None] = lambda: None,
) -> WrittenReport:
    """Draw what is new, and write the report of a release if it is not there yet.

    Parameters
    ----------
    zones : Zones
        Whose release.
    version : str
        A version, or `latest`.
    workers : int
        Threads that draw.
    queries : sequence of QueryRow
        The register of queries, as it stands.
    cases : sequence of AdjudicationCase, optional
        Lesions for blinded readers, whose pages are written anew beside the report; those that
        are there stay where this is not given.
    keep : callable
        Tables of a release → those of who may be shown; default: everybody of the release.
    at_last : callable
        Called right before the report gets its name; raises to stop.
    """
    report = read_report_input(zones, version, keep)
    pictures = PictureStore(zones.reports / PICTURE_STORE, workers)
    drawn = pictures.make(
        plan_pictures(read_cohort(report.tables)), zones.releases / str(report.release)
    )
    report = dataclasses.replace(report, pictures=drawn, queries=tuple(queries))
    written = write_report(report, zones.reports, pictures, read_reviews(zones), at_last=at_last)
    if cases is not None:
        folder = written.index.parent
        known = {"run": folder.name, "report_sha256": str(written.report_sha256)}
        state = known | {"release": str(report.release)}
        series = series_of_subjects(report, {one.subject_id for one in cases})
        write_adjudication_pages(zones, cases, series, state, folder)
    return written


def require_release(zones: Zones, version: str) -> Path:
    """Return the folder of a release; raise BadInputError if there is none."""
    folder = (zones.releases / version).resolve()
    if not (folder / "manifest.json").is_file():
        raise BadInputError(
            f"there is no release {version}",
            where=str(zones.releases),
            hint="Make one with `livercohort release`.",
        )
    return folder


def read_report_input(zones: Zones, version: str = LATEST, keep: Kept = dict) -> ReportInput:
    """Return everything the report of a release shows but its pictures.

    Parameters
    ----------
    zones : Zones
        Whose release.
    version : str
        A version, or `latest`.
    keep : callable
        As in `build_report`.

    Raises
    ------
    BadInputError
        If there is no such release.
    """
    folder = require_release(zones, version)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    tables = keep(_read_tables(folder))
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
        previous=_read_previous(zones.releases / previous, keep) if previous else None,
        limits=_read_limits(),
        evidence=_read_words("evidence", "name"),
        reasons=_read_words("reasons", "code"),
        documents=_read_documents(folder),
        since=standing_since(zones.releases, folder.name),
        verification=read_counts(zones),
        evaluations=read_evaluations(folder),
        enrolled_by_month=read_enrolled_by_month(zones),
        conformity=_read_conformity(folder / CONFORMITY_CSV),
    )


def _read_conformity(path: Path) -> tuple[ConformityRow, ...]:
    return parse_conformity(path.read_text(encoding="utf-8")) if path.is_file() else ()


def _read_tables(folder: Path) -> dict[str, pa.Table]:
    return {
        path.name: pa.concat_tables(
            [pq.read_table(part) for part in sorted(path.glob("*.parquet"))]
        )
        for path in sorted((folder / "tables").iterdir())
    }


def _read_previous(folder: Path, keep: Kept) -> PreviousRelease | None:
    if not folder.is_dir():
        return None
    return PreviousRelease(version=folder.name, tables=keep(_read_tables(folder)))


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
    names = [item.name for item in dataclasses.fields(Decision)]
    rows = parse_decisions(path.read_bytes(), path.name)
    return tuple(Decision(**row.model_dump(include=set(names))) for row in rows)


def _read_limits() -> dict[str, float]:
    limits = _protocol("eligibility.yaml")["limits"]
    return {name: float(limits[name]["value"]) for name in _LIMITS}


def _read_words(name: str, key: str) -> dict[str, tuple[str, str]]:
    return {row[key]: (row["en"], row["zh"]) for row in _protocol(f"{name}.yaml")[name]}


def _protocol(name: str) -> Any:
    return read_document(data_contracts_dir() / "protocol" / name).value


def _read_documents(folder: Path) -> ReleaseDocuments:
    def text(name: str) -> str:
        path = folder / name
        return path.read_text(encoding="utf-8-sig") if path.is_file() else ""

    sums = (line.split(maxsplit=1) for line in text("SHA256SUMS").splitlines())
    names = [item.name for item in dataclasses.fields(ColumnLine)]
    return ReleaseDocuments(
        changelog=text("CHANGELOG.md"),
        queries_sql=text("examples/queries.sql"),
        dictionary=tuple(
            ColumnLine(**{name: row[name] for name in names})
            for row in csv.DictReader(StringIO(text("data_dictionary.csv")))
        ),
        # The volumes are too many for a page. The database file never repeats, not even for the
        # same content, and a report of the same content must.
        checksums=tuple(
            (name, digest)
            for digest, name in sums
            if not name.startswith("nifti/") and name != "cohort.duckdb"
        ),
    )
