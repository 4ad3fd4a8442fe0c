"""One night at one site: receive → de-identify → inspect → convert → label → measure → commit.

The flow takes a site code only, because the scheduler stores parameters in plain text; every
task takes the code and a batch id. Batches of one site run one after the other: a later one
must see what an earlier one brought. Files decide what is done; Prefect shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flows.executor import workers_of
from flows.run_console import newest_report_link, steps_shown, told_when_ended
from flows.signed_tables import require_signed_tables
from schemas.errors import LivercohortError, NightIncompleteError
from schemas.identifiers import SiteCode
from schemas.run.arrow_memory import give_memory_back
from schemas.run.forking import preload_in_server, require_short_temporary_folder
from schemas.run.log_redaction import RUN_LOGGERS, redact_handlers
from schemas.run.nights import recorded_night
from schemas.run.progress import no_step
from schemas.run.settings import Settings, read_settings
from schemas.run.shown_runs import (
    create_markdown_artifact,
    create_table_artifact,
    flow,
    get_run_logger,
    progress_shown,
    run_parameters,
    shown_to_the_end,
    work_is_over,
)
from schemas.run.sites import is_site_code, site_code
from schemas.run.stage_errors import redacted, redacted_errors
from tasks.clinical.task import take_in_forms
from tasks.convert.task import convert_batch
from tasks.deidentify.search.store_picture_words import kept_picture_words, picture_words
from tasks.deidentify.task import deidentify_batch, require_clean, scan_batch
from tasks.desk.task import take_decided_again
from tasks.harmonise.task import label_batch
from tasks.inspect.task import inspect_again, inspect_batch
from tasks.measure.task import measure_batch
from tasks.publish.night.task import stage_rows
from tasks.queries.task import sync_batch_queries
from tasks.receive.store_lease import lease
from tasks.receive.task import commit_batch, link_batch, receive_exports, settle_batch, stage_tables
from tasks.validate.task import validate_batch

#: What workers of any stage need: one server, started by the first stage, forks those of all.
_WORKERS_NEED = (
    "tasks.deidentify.store_warm",
    "tasks.convert.store_warm",
    "tasks.inspect.store_worker",
    "pydicom.pixels.utils",
)


def _inspect(site: str, batch: str) -> dict[str, int]:
    return inspect_batch(site, batch, picture_words)


#: In this order; then the search for what must not leave, the queries and the commit.
_STAGES: tuple[Callable[[str, str], object], ...] = (
    link_batch,
    deidentify_batch,
    settle_batch,
    _inspect,
    convert_batch,
    label_batch,
    measure_batch,
    stage_rows,
    take_in_forms,
    validate_batch,
    stage_tables,
)


def _run_name() -> str:
    """Return a name that says whose night it is: a site code names a hospital, no person."""
    site = str(run_parameters().get("site", ""))
    return f"ingest-{site}" if is_site_code(site) else "ingest-site"


@flow(name="ingest-site", flow_run_name=_run_name, retries=0)
def ingest_site(site: str) -> dict[str, Any]:
    """Take in everything a site has delivered and not been taken in yet.

    Returns
    -------
    dict
        `batches`: the record of each committed batch; `refused`: empty.

    Raises
    ------
    ContractError
        If a signed table cannot be used; then nothing was read.
    NightIncompleteError
        If an export or batch was refused or is held, so that the run shows as failed; the
        others are committed all the same.
    """
    redact_handlers(*RUN_LOGGERS)
    give_memory_back()
    preload_in_server(*_WORKERS_NEED)
    settings, code = read_settings(), site_code(site)
    with (
        told_when_ended(code),
        redacted_errors("home", settings.zones),
        _home_of_one_night(settings, code),
        recorded_night(settings.zones, code) as night,
        ExitStack() as spread,
    ):
        require_short_temporary_folder()
        require_signed_tables(settings.zones)
        spread.enter_context(workers_of(settings))
        committed, refused = night["batches"], night["refused"]
        received = receive_exports(code)
        refused += received["refused"]
        _ingest_batches(code, received["batches"], committed, refused)
        # Last: a linkage or a rule of this night may free what was held, also this night.
        _ingest_batches(code, take_decided_again(code), committed, refused)
        try:
            inspect_again(code, kept_picture_words)
        except LivercohortError as error:
            refused.append(f"inspection of earlier batches: {error.message}")
        except Exception as error:  # what was committed stays; the run shows as failed
            message = redacted(error, "inspect", settings.zones).message
            refused.append(f"inspection of earlier batches: {message}")
    for message in refused:
        get_run_logger().error("%s", message)
    create_table_artifact(
        key=f"night-{code.lower()}",
        table=[{"batch": r["batch_id"], "state": r["state"], **_counts(r)} for r in committed],
        description=f"Files of the night at {code}, by state",
    )
    create_markdown_artifact(
        key=f"summary-{code.lower()}",
        markdown=f"{code}: {len(committed)} batches taken in, {len(refused)} refused. "
        f"What was found stands in the report of the next release. {newest_report_link(settings)}",
    )
    summary = {"site_code": code, "batches": committed, "refused": refused}
    work_is_over(f"ingest-{code}", summary)
    if refused or any(record["state"] == "held" for record in committed):
        raise NightIncompleteError(summary)
    return summary


def _ingest_batches(
    code: SiteCode, batches: list[str], committed: list[dict[str, Any]], refused: list[str]
) -> None:
    """Take batches in one after the other; one that fails never stops the others."""
    zones = read_settings().zones
    move = progress_shown(f"progress-{code.lower()}", f"Stages of the night at {code}")
    for number, batch in enumerate(batches):
        try:
            committed.append(ingest_batch(code, batch, _share_of(move, number, len(batches))))
        except LivercohortError as error:
            refused.append(f"batch {batch}: {error.message}")
        except Exception as error:
            refused.append(f"batch {batch}: {redacted(error, 'night', zones).message}")
        no_step()
        move(100.0 * (number + 1) / len(batches))


def run_night(site: str) -> dict[str, Any]:
    """Run the flow of one site and return its night, complete or not."""
    try:
        return shown_to_the_end(f"ingest-{site}", lambda: ingest_site(site))
    except NightIncompleteError as incomplete:
        return incomplete.night


@contextmanager
def _home_of_one_night(settings: Settings, code: SiteCode) -> Iterator[None]:
    """Hold the site; a worker's first night has no command before it that makes the zones."""
    settings.zones.create()
    with lease(settings.zones, code):
        yield


def _share_of(move: Callable[[float], None], number: int, total: int) -> Callable[[float], None]:
    """Return what moves the bar within the share of one batch, 0 to 1."""
    return lambda done: move(100.0 * (number + done) / total)


def ingest_batch(site: str, batch: str, done: Callable[[float], None]) -> dict[str, Any]:
    """Run the stages over one received export and commit it; tell `done` how far it is, 0 to 1."""
    step = steps_shown(lambda percent: done(percent / 100.0), f"{site} {batch}", len(_STAGES) + 1)
    for stage in _STAGES:
        step(str(getattr(stage, "name", "inspect")))
        stage(site, batch)
    step("search for identifiers")
    if scan_batch(site, batch)["hits"]:
        stage_tables(site, batch)
        require_clean(site, batch)
    sync_batch_queries(site, batch)
    committed = commit_batch(site, batch)
    step("")
    return committed


def _counts(record: dict[str, Any]) -> dict[str, Any]:
    counts = record["counts"]
    return dict(counts) if isinstance(counts, dict) else {}
