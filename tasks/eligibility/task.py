"""Eligibility as a Prefect task: real dates in, in memory only; verdicts out."""

from __future__ import annotations

from collections import Counter

from prefect import task
from prefect.logging import get_run_logger

from schemas.identifiers import SiteCode
from schemas.keys import read_key_file
from schemas.run_context import release_bench
from schemas.settings import read_settings
from schemas.stage_errors import redacted_errors
from schemas.vault import Vault
from tasks.eligibility.assemble import assemble_cohort
from tasks.eligibility.persons import check_persons
from tasks.eligibility.protocol import read_protocol


@task(name="eligibility", task_run_name="eligibility", retries=0)
def evaluate_cohort() -> dict[str, int]:
    """Decide the nine criteria for every subject under every reading."""
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("eligibility", settings.zones):
        vault = Vault(settings.zones.vault, read_key_file(settings.master_key_file))
        cohort = assemble_cohort(
            bench.get("clinical_rows"),
            bench.get("labels"),
            batch_of_subject=bench.get("batch_of_subject"),
            shift_days=_shift_days(vault, {site for site, _ in bench.get("batches")}),
        )
        bench.put("cohort_rows", dict(cohort.tables))
        subjects = {str(row["subject_id"]) for row in cohort.tables["subject"]}
        twice = check_persons(vault.subjects_sharing_a_person(), subjects)
        bench.put("cohort_findings", [*cohort.findings, *twice])
        versions = {
            "protocol": read_protocol().protocol_version,
            "mapping": bench.get("mapping_version"),
        }
        bench.put("versions", versions)
    counts = Counter(f"{row['reading']} {row['status']}" for row in cohort.tables["eligibility"])
    get_run_logger().info("eligibility: %s", dict(sorted(counts.items())))
    return dict(sorted(counts.items()))


def _shift_days(vault: Vault, sites: set[SiteCode]) -> dict[str, int]:
    return {
        str(subject): days
        for site in sorted(sites)
        for subject, days in vault.shift_days(site).items()
    }
