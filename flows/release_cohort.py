"""All committed batches → labels → eligibility → checks → an immutable release → report.

Everything is computed anew from the committed batches with the rules in force today; only
the publication itself compares with the release before. The scan runs on the staged folder,
so a release that holds an identifier never appears under its name.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from flows.free_text import require_clean_waivers
from flows.run_console import steps_shown, told_when_not_made
from flows.signed_tables import require_signed_tables
from flows.unchanged_release import inputs_now, keep_for_next, same_again, with_queries
from schemas.run.log_redaction import RUN_LOGGERS, redact_handlers
from schemas.run.settings import Settings, read_settings
from schemas.run.shown_runs import (
    create_markdown_artifact,
    create_table_artifact,
    flow,
    progress_shown,
    work_is_over,
)
from schemas.run.stage_errors import redacted_errors
from tasks.clinical.task import merge_forms
from tasks.deidentify.search.store_held_words import forget_held_words
from tasks.deidentify.search.store_scan_release import require_no_identifiers
from tasks.eligibility.task import evaluate_cohort
from tasks.harmonise.task import label_cohort
from tasks.inspect.rules import load_rules
from tasks.measure.task import measure_cohort
from tasks.operate.task import send_message
from tasks.publish.inspected import RulesInForce
from tasks.publish.store_integrity import look_again_at
from tasks.publish.task import (
    close_release,
    collect_batches,
    keep_out_withdrawn,
    publish_release,
    push_to_stores,
    rows_of_images,
    stage_release_tables,
)
from tasks.queries.task import sync_release_queries
from tasks.receive.store_lease import lease, require_still_held
from tasks.reference.judge import judge_subject
from tasks.report.task import add_reviewer_ratings, write_release_report
from tasks.validate.task import require_release_passed, validate_release

#: The lease of whoever makes a release.
RELEASE = "release"
#: Steps that a terminal is told of.
_N_STEPS = 5
#: What `publish_release` says when it has to be done again without some subjects.
HELD = "held"


@flow(name="release-cohort", flow_run_name="release-cohort", retries=0)
@told_when_not_made
def release_cohort(
    bump: str = "auto", dry_run: bool = False, rehash: bool = False, accept_gone: bool = False
) -> dict[str, Any]:
    """Publish a cohort release, if anything changed since the last one.

    Parameters
    ----------
    bump : str
        `auto` computes the step from the differences; `major`, `minor` or `patch` may ask
        for a larger one.
    dry_run : bool
        Only say what a release would be.
    rehash : bool
        Hash every image of the warehouse anew, not only what changed.
    accept_gone : bool
        Release though a batch of the release before is gone.

    Raises
    ------
    ContractError
        If a signed table cannot be used; then nothing was computed.
    GateBlockedError
        If a blocker stands, an identifier is found that is nobody's, or the data may not be
        released. Whose words are found is held, and the others are released.
    """
    redact_handlers(*RUN_LOGGERS)
    settings = read_settings()
    with redacted_errors("home", settings.zones):
        asked = same_again(
            settings, bump=bump, dry_run=dry_run, rehash=rehash, accept_gone=accept_gone
        )
        if asked.same is not None:
            show_release(asked.same, settings)
            return asked.same
        require_signed_tables(settings.zones)
        require_clean_waivers(settings)
    with lease(settings.zones, RELEASE):
        began = asked.inputs or inputs_now(settings)
        move = progress_shown("release-progress", "Steps of the release")
        step = steps_shown(move, "release", _N_STEPS)
        step("collect batches")
        collect_batches(rules_in_force(), rehash=rehash, accept_gone=accept_gone)
        step("forms and labels")
        # What the forms state of the exams is evidence for their roles.
        merge_forms()
        with rows_of_images() as make_rows:
            label_cohort(make_rows)
        add_reviewer_ratings()
        keep_out_withdrawn()
        step("eligibility, tables and checks")
        _judge_cohort()
        if not dry_run:
            sync_release_queries()
            began = with_queries(settings, began)
        require_release_passed()
        inspect = partial(inspect_release, settings)
        if not dry_run:
            forget_held_words(settings.zones)
        step("search for identifiers, publish")
        result = publish_release(bump, dry_run=dry_run, inspect=inspect)
        while result["status"] == HELD:  # each time somebody more stays out, so it ends
            _judge_cohort()
            require_release_passed()
            result = publish_release(bump, dry_run=dry_run, inspect=inspect)
        step("report")
        if not dry_run:
            _hand_out(settings, result)
        require_still_held(settings.zones, RELEASE)
        close_release()
        if not dry_run:
            keep_for_next(settings, began, result, look_again_at(settings.zones))
        step("")
    show_release(result, settings)
    if not dry_run:
        told = f"Release {result['version']}: {result['status']}"
        send_message(f"livercohort: {told}", told)
    work_is_over(RELEASE, result)
    return result


def _judge_cohort() -> None:
    """Verdicts, tables and what is measured of those who are in, and the rules over all of it."""
    evaluate_cohort(judge_subject)
    stage_release_tables()
    measure_cohort()
    validate_release()


def _hand_out(settings: Settings, result: dict[str, Any]) -> None:
    """Copy the release to the stores that are set, and write its report."""
    if settings.releases_url or settings.warehouse_url:
        result["pushed"] = push_to_stores(str(result["version"]))
    still = partial(require_still_held, settings.zones, RELEASE)
    result["report"] = write_release_report(str(result["version"]), still)


def inspect_release(settings: Settings, folder: Path) -> None:
    """Look through a staged release; raise where it may not get its name."""
    require_still_held(settings.zones, RELEASE)
    require_no_identifiers(settings, folder, just_linked=True)


def rules_in_force() -> RulesInForce:
    rules = load_rules()
    models = {part: model.sha256 for part, model in rules.models.items()}
    return RulesInForce(rules.rules_id, models)


def show_release(result: dict[str, Any], settings: Settings) -> None:
    """Show a release in the run console: what it is, its report, and its rows."""
    text = f"Release **{result['version']}**: {result['status']}"
    if result["held"]:
        text += f"\n\n**{result['held']} subjects are held**: `livercohort words list`"
    if "report" in result:
        index = settings.zones.reports / str(result["report"]) / "index.html"
        text += f"\n\n[Report {result['report']}]({index.as_uri()})"
    create_markdown_artifact(key="release", markdown=text)
    create_table_artifact(
        key="release-rows",
        table=[{"table": name, "rows": n} for name, n in sorted(result["rows"].items())],
        description="Rows of the release by table",
    )
