"""The rows of a batch as a Prefect task, apart from releases: a night loads nothing of theirs."""

from __future__ import annotations

from schemas.handover.records import (
    ConvertedVolumes,
    LabelledExams,
    PublishableRows,
    ReceivedExport,
)
from schemas.run.shown_runs import task
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import run_context
from schemas.tables.contracts import conform, read_table_contracts
from tasks.publish import rows
from tasks.publish.batches import BatchTables, CommittedBatch, merge_batches


@task(name="rows", retries=0)
def stage_rows(site: str, batch: str) -> dict[str, int]:
    """Make the batch's rows of the published image tables, as a release would hold them."""
    context = run_context(site, batch)
    bench = context.bench
    with redacted_errors("rows", context.zones):
        delivery = bench.take(ReceivedExport).delivery
        exams = bench.take(LabelledExams)
        this = BatchTables(
            batch=CommittedBatch(
                batch_id=bench.batch,
                site_code=bench.site,
                n_files=len(delivery.files),
                n_bytes=sum(file.size_bytes for file in delivery.files),
                counts={},
                manifest_sha256=delivery.manifest_sha256,
            ),
            instances=exams.instances,
            volumes=bench.take(ConvertedVolumes).volumes,
        )
        contracts = read_table_contracts()
        tables = {
            name: conform(contracts[name], found)
            for name, found in rows.image_rows(exams.labels, merge_batches([this])).items()
        }
        bench.leave(PublishableRows(tables))
    return {name: table.num_rows for name, table in tables.items()}
