"""Publishing as Prefect tasks: rows of a batch for its checks, and the steps of a release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.conformity import CONFORMITY_TABLE, ConformityRow
from schemas.errors import SubjectsHeldError
from schemas.handover.image_groups import MakeRows
from schemas.handover.records import (
    CheckedRelease,
    CommittedImages,
    CommittedMeasurements,
    CommittedNights,
    EvaluatedCohort,
    FormsInForce,
    HeldSubjects,
    LabelledCohort,
    MergedForms,
    RatedForms,
    ReleaseTables,
)
from schemas.handover.workbench import Workbench
from schemas.identifiers import SiteCode
from schemas.lesion_masks import list_masks, require_unchanged_masks
from schemas.measurements import ACQUISITION_TABLE, MEASUREMENT_TABLE
from schemas.protocol import read_decisions
from schemas.run.orphans import sweep_orphans
from schemas.run.settings import Settings, read_settings
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.sites import read_registered_sites, read_sites
from schemas.run.software import software_version
from schemas.run.stage_errors import redacted_errors
from schemas.run_context import release_bench, require_key
from schemas.signatures import render_register
from schemas.tables.contracts import conform, read_code_lists, read_table_contracts
from schemas.tables.parted_tables import PartedTable
from schemas.tables.record_tables import records_from_table
from schemas.vault.anchors import read_anchors
from schemas.vault.inspections import LaterInspection, read_later
from schemas.vault.keys import Purpose, read_key_file
from schemas.vault.suppression import erased_among, suppressed_among
from tasks.publish import rows, store, store_batches, store_checked, store_integrity, store_remote
from tasks.publish.batches import CommittedCohort
from tasks.publish.consent import KeptOut, withdrawn_rows
from tasks.publish.diff.reasons import ERASED, IDENTIFIER_HELD, SUPPRESSED
from tasks.publish.facts import ReleaseFacts, ReleaseStatus
from tasks.publish.gates import require_releasable
from tasks.publish.inspected import RulesInForce, inspected_rows, inspection_facts
from tasks.publish.masks import PublishedMasks, published_masks
from tasks.publish.signature import Signer
from tasks.publish.store_image_rows import INSTANCE, ImageRows, nifti_sources
from tasks.publish.store_kept_database import KeptDatabase
from tasks.publish.store_kept_images import KeptContents, KeptImages
from tasks.publish.store_origin import record_if_own, record_release, require_continuable


@task(name="collect", retries=0)
def collect_batches(
    rules: RulesInForce, *, rehash: bool = False, accept_gone: bool = False
) -> dict[str, int]:
    """Read all committed batches; refuse what may not be released yet, was changed or is gone.

    Parameters
    ----------
    rules : RulesInForce
        By which rules pixels have to be inspected.
    rehash : bool
        Hash every image anew, also where its directory entry is the remembered one.
    accept_gone : bool
        Go on though a batch of the release before is not there any more.
    """
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("collect", settings.zones):
        bench.open()
        store.sweep_staging(settings.zones.releases)
        sweep_orphans(settings.zones)
        ring = read_key_file(settings.master_key_file)
        anchors = read_anchors(settings.zones, ring)
        checked = store_checked.Checked(settings.zones, rehash=rehash)
        # Before a table is read: damage may be anything to a reader, or nothing.
        listed = store_batches.list_committed(settings.zones)
        store_integrity.require_unchanged(settings.zones, listed, anchors, checked)
        later = partial(_later, settings, rules.rules_id)
        committed, images = store_batches.read_committed(settings.zones, later, ring)
        for code in require_releasable(committed, rules):
            require_key(settings, code)
        if not accept_gone:
            previous = store.newest_release(settings.zones.releases)
            store_integrity.require_no_batch_gone(previous, committed)
        checked.write()
        bench.leave(committed)
        bench.leave(rules)
        bench.leave(CommittedImages(images.groups, images.sexes, images.in_force))
        bench.leave(
            CommittedMeasurements(
                committed.tables.get(MEASUREMENT_TABLE), committed.tables.get(ACQUISITION_TABLE)
            )
        )
        bench.leave(
            CommittedNights(
                tuple((b.site_code, b.batch_id) for b in committed.batches),
                images.batch_of_subject,
                partial(store_batches.read_file_tables, settings.zones, committed.batches),
            )
        )
    return {"batches": len(committed.batches), "instances": images.n_images}


def _later(settings: Settings, rules_id: str, site: SiteCode) -> list[LaterInspection]:
    """Return the later inspections of a site by these rules; the key is read where needed."""
    if not (settings.zones.restricted / "inspections" / f"{site}.sealed").is_file():
        return []
    found = read_later(settings.zones, read_key_file(settings.master_key_file), site)
    return [row for row in found if row.rules_id == rules_id]


@dataclass(frozen=True)
class ImagesMade:
    """label-cohort → release-tables, publish: rows of the images of all groups.

    `volumes` is volume_id → site, series and file name in the warehouse.
    """

    tables: Mapping[str, pa.Table]
    images: PartedTable
    volumes: Mapping[str, tuple[str, str, str]] = field(repr=False)


@contextmanager
def rows_of_images() -> Iterator[MakeRows]:
    """Give what makes the rows of images as they are labelled; leaves them at the end."""
    settings = read_settings()
    bench = release_bench(settings)
    kept = KeptImages(settings.zones, read_key_file(settings.master_key_file))
    found = ImageRows(read_table_contracts(), bench.tables / INSTANCE, kept)
    yield found.make
    kept.forget_others("rows")
    bench.leave(ImagesMade(found.tables(), found.images(), found.volumes()))


@task(name="keep-out", retries=0)
def keep_out_withdrawn() -> dict[str, int]:
    """Give every subject on the suppression list the consent `withdrawn`, whatever the form says.

    The consent gate then leaves them out, and the flow counts them where it counts the others.
    """
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("keep-out", settings.zones):
        found = bench.take(RatedForms).rows
        ring = read_key_file(settings.master_key_file)
        listed = suppressed_among(
            settings.zones.restricted, ring, {row.subject_id for row in found}
        )
        bench.leave(FormsInForce(withdrawn_rows(found, listed)))
        left_before = store.removed_subjects(settings.zones.releases)
        erased = erased_among(settings.zones.restricted, ring, {*listed, *left_before})
        kept_out = dict.fromkeys(listed, SUPPRESSED) | dict.fromkeys(erased, ERASED)
        bench.leave(KeptOut(kept_out))
        bench.leave(HeldSubjects())
    return {"kept_out": len(listed)}


@task(name="release-tables", retries=0)
def stage_release_tables() -> dict[str, int]:
    """Bring everything into the form of the contracts."""
    settings = read_settings()
    bench = release_bench(settings)
    with redacted_errors("release-tables", settings.zones):
        contracts = read_table_contracts()
        committed = bench.take(CommittedCohort)
        images = bench.take(ImagesMade)
        found = {
            "site": rows.site_rows(read_registered_sites(), read_sites()),
            "ingest_batch": rows.ingest_batch_rows(committed.batches),
            "inspection": inspected_rows(committed),
            "code_list": rows.code_list_rows(read_code_lists()),
        }
        made = {name: conform(contracts[name], found[name]) for name in found}
        judged = bench.take(EvaluatedCohort).tables
        tables = dict(sorted({**made, **images.tables, **judged}.items()))
        masks = published_masks(
            tables["lesion"], tables["nifti_volume"], list_masks(settings.zones)
        )
        tables["lesion"] = masks.lesion
        bench.leave(masks)
        bench.leave(ReleaseTables(tables, images.images))
    if masks.left_out:
        get_run_logger().warning(
            "%d masks are of no volume of this release, or of a lesion that has several",
            masks.left_out,
        )
    counted = {name: table.num_rows for name, table in tables.items()}
    return counted | {INSTANCE: images.images.num_rows}


@task(name="publish", retries=0)
def publish_release(bump: str, *, dry_run: bool, inspect: Callable[[Path], None]) -> dict[str, Any]:
    """Write the release beside its place, have it inspected, and rename it once.

    Parameters
    ----------
    bump : str
        `auto`, or a larger step than the computed one.
    dry_run : bool
        Only compute version and differences.
    inspect : callable
        Looks through the staged folder and raises to stop the publication.

    Returns
    -------
    dict
        `status` is `held` when subjects must be kept out first: then nothing was published, and
        the steps from the eligibility on are to be done again without them.
    """
    settings = read_settings()
    bench, zones = release_bench(settings), settings.zones
    with redacted_errors("publish", zones):
        committed, checked = bench.take(CommittedCohort), bench.take(CheckedRelease)
        made, images = bench.take(ReleaseTables), bench.take(ImagesMade)
        tables = made.tables
        finding = conform(read_table_contracts()["finding"], rows.finding_rows(checked.findings))
        masks = bench.take(PublishedMasks)
        sources = nifti_sources(zones, images.volumes, tables["nifti_volume"])
        sources |= masks.sources
        ring = read_key_file(settings.master_key_file)
        require_unchanged_masks(masks.masks, partial(ring.keyed_digest, purpose=Purpose.MASK))
        seen = store_checked.Checked(zones)
        newest = store.newest_release(zones.releases)
        is_proven = require_continuable(newest, read_anchors(zones, ring))
        held = bench.take(HeldSubjects).subjects
        contents, database = KeptContents(zones, ring), KeptDatabase(zones, ring)
        try:
            result = store.build_release(
                {**tables, "finding": finding, INSTANCE: made.images},
                releases_dir=zones.releases,
                nifti_sources=sources,
                facts=replace(
                    _facts(bench, committed),
                    kept_out={
                        **dict.fromkeys(held, IDENTIFIER_HELD),
                        **bench.take(KeptOut).reasons,
                    },
                    validation=checked.validation,
                    masks_sha256=masks.sha256,
                ),
                bump=bump,
                dry_run=dry_run,
                inspect=inspect,
                signer=Signer.of(ring),
                hash_of=seen.sha256,
                previous_is_proven=is_proven,
                contents=contents.known,
                kept=database,
            )
        except SubjectsHeldError as error:
            bench.leave(HeldSubjects(held | error.subjects))
            get_run_logger().warning("%s", error.message)
            return {"status": "held"}
        finally:
            database.discard()
        contents.write()
        if result.status is ReleaseStatus.PUBLISHED and result.path is not None:
            record_release(zones, ring, result.version, result.path)
            for source in sources.values():
                seen.linked(source)
            seen.write()
        elif result.path is not None and not dry_run:
            record_if_own(zones, ring, result.path, Signer.of(ring).public)
    get_run_logger().info("release %s: %s", result.version, result.status)
    return {
        "status": result.status.value,
        "version": result.version,
        "predecessor": result.predecessor,
        "content_hash": result.content_hash,
        "held": len(held),
        "changes": dict(Counter(result.differences.rows["kind"].to_pylist())),
        "rows": result.rows,
    }


@task(name="push", retries=2, retry_delay_seconds=10)
def push_to_stores(version: str) -> bool:
    """Copy the warehouse and the release to the stores the settings name; repeats are harmless.

    Returns
    -------
    bool
        Whether the release was new at its store.
    """
    settings = read_settings()
    with redacted_errors("push", settings.zones):
        return store_remote.push_where_set(settings, version)


@task(name="close-release", retries=0)
def close_release() -> None:
    """Remove the scratch of the release: it held real dates."""
    release_bench(read_settings()).close()


def _conformity(committed: CommittedCohort) -> tuple[ConformityRow, ...]:
    table = committed.tables.get(CONFORMITY_TABLE)
    return () if table is None else tuple(records_from_table(table, ConformityRow))


def _facts(bench: Workbench, committed: CommittedCohort) -> ReleaseFacts:
    return ReleaseFacts(
        software_version=software_version(),
        protocol_version=bench.take(EvaluatedCohort).protocol_version,
        mapping_version=bench.take(LabelledCohort).mapping_version,
        decisions_csv=render_register(read_decisions()).encode("utf-8"),
        input_ledger_sha256=committed.input_ledger_sha256,
        key_id=bench.take(MergedForms).key_id,
        year=committed.year,
        inspection=inspection_facts(committed, bench.take(RulesInForce)),
        conformity=_conformity(committed),
    )
