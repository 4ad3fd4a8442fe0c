"""Validation as a Prefect task: rules over one batch; findings left for the commit."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.torn_series import filed_instances
from schemas.handover.records import (
    CheckedBatch,
    CheckedRelease,
    CommittedImages,
    CommittedNights,
    ControlFiles,
    EvaluatedCohort,
    FormsTakenIn,
    LabelledCohort,
    LabelledExams,
    MeasuredCohort,
    MergedForms,
    PublishableRows,
    ReleaseTables,
    SettledImages,
)
from schemas.handover.workbench import Workbench
from schemas.records import ABOUT_INSTANCE, FileOutcome, Finding
from schemas.run.settings import read_settings
from schemas.run.shown_runs import create_table_artifact, get_run_logger, task
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import release_bench, run_context
from schemas.states import FileState
from schemas.tables.record_tables import table_from_records
from tasks.validate.files_aside import DROPPED, findings_of_files
from tasks.validate.frames import INSTANCE_KEY
from tasks.validate.report import rules_summary
from tasks.validate.store import read_waived, require_passed, validate_tables
from tasks.validate.suites import Stage


@task(name="validate", retries=0)
def validate_batch(site: str, batch: str) -> dict[str, int]:
    """Check the batch's rows against contracts and rules; every failing row is a finding."""
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("validate", context.zones):
        report = validate_tables(
            bench.take(PublishableRows).tables,
            Stage.BATCH,
            instances=table_from_records(
                filed_instances(bench.take(LabelledExams).instances),
                InstanceFeatures,
                key=INSTANCE_KEY,
            ),
        )
        of_forms = bench.take(FormsTakenIn).findings
        findings = (*of_forms, *_of_batch_files(bench), *report.findings)
        waived = read_waived(context.zones, findings)
        bench.leave(CheckedBatch(findings, waived, report.gx_json, report.rules_run))
    counts = dict(sorted(Counter(f.severity.value for f in findings).items()))
    create_table_artifact(
        key=f"validation-{context.site.lower()}",
        table=rules_summary(findings, waived),
        description=f"Findings of the newest batch of {context.site} by rule",
    )
    get_run_logger().info("batch %s: findings %s", batch, counts)
    return counts


@task(name="validate-release", retries=0)
def validate_release() -> dict[str, int]:
    """Check all tables of the release; every failing row is a finding."""
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("validate", settings.zones):
        made = bench.take(ReleaseTables)
        report = validate_tables(made.tables, Stage.RELEASE, images=made.images)
        findings = (
            *bench.take(MergedForms).findings,
            *bench.take(EvaluatedCohort).findings,
            *bench.take(LabelledCohort).findings,
            *bench.take(MeasuredCohort).findings,
            *_of_all_files(bench),
            *report.findings,
        )
        waived = read_waived(settings.zones, findings)
        bench.leave(CheckedRelease(findings, waived, report.gx_json))
    create_table_artifact(
        key="validation",
        table=rules_summary(findings, waived),
        description="Findings of the release by rule",
    )
    return dict(sorted(Counter(f.severity.value for f in report.findings).items()))


@task(name="require-passed", retries=0)
def require_release_passed() -> None:
    """Stop the release when a blocker stands that nobody waived.

    Raises
    ------
    GateBlockedError
        If so; names the rules.
    """
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("validate", settings.zones):
        checked = bench.take(CheckedRelease)
        require_passed(checked.findings, checked.waived)


def _of_batch_files(bench: Workbench) -> list[Finding]:
    """Return what this batch has set aside; the release says what came again."""
    images = bench.take(SettledImages).outcomes
    control, forms = bench.take(ControlFiles).outcomes, bench.take(FormsTakenIn).outcomes
    outcomes = [*control, *images, *forms]
    files = table_from_records(outcomes, FileOutcome, key=["file_no"], without=ABOUT_INSTANCE)
    for name, value in (("site_code", bench.site), ("batch_id", bench.batch)):
        files = files.append_column(name, pa.array([str(value)] * len(outcomes), pa.string()))
    accepted = (o.sop_uid for o in images if o.state is FileState.ACCEPTED)
    return findings_of_files(files, accepted, [bench.batch])


def _of_all_files(bench: Workbench) -> list[Finding]:
    """Return what of all batches is still missing, of one site after another."""
    nights, images = bench.take(CommittedNights), bench.take(CommittedImages)
    order = [batch for _, batch in nights.batches]
    found: list[Finding] = []
    for files in nights.files():
        aside = files.filter(pc.is_valid(files["reason"]))["sop_uid"].drop_null()
        found += findings_of_files(files, images.in_force(set(aside.to_pylist())), order)
    return sorted(found, key=_as_of_one_table)


def _as_of_one_table(one: Finding) -> tuple[bool, str, str, str, str]:
    return (one.rule_id == DROPPED, one.rule_id, one.site_code, one.object_type, one.object_id)
