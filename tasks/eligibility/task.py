"""Eligibility as a Prefect task: real dates in, in memory only; verdicts out."""

from __future__ import annotations

from collections import Counter

from schemas.handover.records import (
    CasesForReaders,
    CommittedNights,
    EvaluatedCohort,
    FormsInForce,
    HeldSubjects,
    LabelledCohort,
)
from schemas.identifiers import SiteCode
from schemas.protocol import read_protocol
from schemas.reference import Judge
from schemas.run.settings import read_settings
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import release_bench
from schemas.tables.contracts import conform, read_table_contracts
from schemas.vault.keys import read_key_file
from schemas.vault.subjects import Vault
from tasks.eligibility.assemble import assemble_cohort
from tasks.eligibility.persons import check_persons
from tasks.eligibility.roles import assign_roles
from tasks.eligibility.store import read_roles
from tasks.eligibility.store_accrual import write_accrual
from tasks.eligibility.store_cases import write_cases
from tasks.eligibility.store_kept import KeptVerdicts

#: Signed by hand and never written by us; it is restricted because it names subjects.


@task(name="eligibility", retries=0)
def evaluate_cohort(judge: Judge) -> dict[str, int]:
    """Decide the nine criteria for every subject under every reading.

    `judge` gives the reference standard of a subject; the flow hands that stage in.
    """
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("eligibility", settings.zones):
        ring = read_key_file(settings.master_key_file)
        vault = Vault(settings.zones.vault, ring)
        kept = KeptVerdicts(settings.zones, ring)
        nights = bench.take(CommittedNights)
        forms = bench.take(FormsInForce).rows
        cohort = assemble_cohort(
            forms,
            bench.take(LabelledCohort).labels,
            judge,
            batch_of_subject=nights.batch_of_subject,
            shift_days=_shift_days(vault, {site for site, _ in nights.batches}),
            held=bench.take(HeldSubjects).subjects,
            decide=kept.decide,
        )
        kept.write()
        roles = read_roles(settings.zones)
        subjects, forbidden = assign_roles(cohort.tables["subject"], roles)
        known = {str(row["subject_id"]) for row in subjects}
        twice = check_persons(vault.subjects_sharing_a_person(), known)
        bench.leave(CasesForReaders(cohort.cases))
        write_cases(settings.zones, cohort.cases, {site for site, _ in nights.batches})
        write_accrual(settings.zones, forms, cohort.places)
        contracts = read_table_contracts()
        rows = {**cohort.tables, "subject": subjects}
        bench.leave(
            EvaluatedCohort(
                {name: conform(contracts[name], found) for name, found in rows.items()},
                (*cohort.findings, *forbidden, *twice),
                read_protocol().protocol_version,
            )
        )
    counts = Counter(f"{row['reading']} {row['status']}" for row in cohort.tables["eligibility"])
    get_run_logger().info("eligibility: %s", dict(sorted(counts.items())))
    return dict(sorted(counts.items()))


def _shift_days(vault: Vault, sites: set[SiteCode]) -> dict[str, int]:
    return {
        str(subject): days
        for site in sorted(sites)
        for subject, days in vault.shift_days(site).items()
    }
