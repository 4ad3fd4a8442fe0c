"""The report site as Prefect tasks: from a release and its batches, and back into the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from schemas.clinical_rows import ClinicalRow
from schemas.handover.records import (
    CasesForReaders,
    CommittedNights,
    MergedForms,
    QueriesOfRelease,
    RatedForms,
)
from schemas.run.settings import read_settings
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import release_bench
from schemas.vault.keys import KeyRing, read_key_file
from schemas.vault.subjects import Vault
from tasks.report.rating_rows import rating_rows
from tasks.report.reviews import ratings_in_force
from tasks.report.store_release import build_report
from tasks.report.store_reviews import read_reviews


@task(name="report", retries=0)
def write_release_report(version: str, at_last: Callable[[], None]) -> str:
    """Build the report of a release; building it again writes nothing.

    Parameters
    ----------
    version : str
        Which release.
    at_last : callable
        Called right before the report gets its name; raises to stop.

    Returns
    -------
    str
        Name of the report folder below `reports/`.
    """
    settings = read_settings()
    zones = settings.zones
    with redacted_errors("report", zones):
        queries = release_bench(settings).take(QueriesOfRelease).rows
        cases = release_bench(settings).take(CasesForReaders).cases
        written = build_report(zones, version, settings.workers, queries, cases, at_last=at_last)
    name = written.index.parent.name
    get_run_logger().info("report %s: %d files", name, written.n_files)
    return name


@task(name="ratings", retries=0)
def add_reviewer_ratings() -> dict[str, int]:
    """Put the ratings made in reports beside those that sites delivered (criterion E2)."""
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("report", settings.zones):
        merged, nights = bench.take(MergedForms).rows, bench.take(CommittedNights)
        ratings = ratings_in_force(read_reviews(settings.zones))
        ring = read_key_file(settings.master_key_file)
        rows = rating_rows(
            ratings,
            merged,
            nights.batch_of_subject,
            Vault(settings.zones.vault, ring).shift_days,
        )
        # The plain hash of a review would tell the day it was made.
        rows = [_keyed(row, ring) for row in rows]
        bench.leave(RatedForms((*merged, *rows)))
    return {"ratings": len(ratings), "in force": len(rows)}


def _keyed(row: ClinicalRow, ring: KeyRing) -> ClinicalRow:
    digest = ring.keyed_digest(row.source_sha256)
    return replace(row, source_sha256=digest, content_digest=digest)
