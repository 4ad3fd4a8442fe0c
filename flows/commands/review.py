"""Commands of reviewers: taking in what a page of the report made."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.console import HomeOption, JsonOption, say, say_json
from schemas.errors import LivercohortError
from schemas.run.settings import Settings, apply_environment

signoff_app = typer.Typer(help="Take in what reviewers send back.", no_args_is_help=True)


@signoff_app.callback()
def about() -> None:
    """Take in what reviewers send back."""


@signoff_app.command("import")
def import_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files that the report's pages saved.")
    ],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in sign-offs and image quality ratings; a changed report or file is refused.

    Each file is taken in or refused by itself: a refusal names the file and the reason.

    Example: livercohort signoff import review_release-1.1.0_QC01.json
    """
    settings = apply_environment(home=home)
    facts = [_import(settings, path, number) for number, path in enumerate(files, start=1)]
    refused = [fact for fact in facts if fact["refused"]]
    if as_json:
        say_json(facts)
    for fact in facts if not as_json else ():
        if not fact["refused"]:
            say(f"{fact['kind']} by {fact['reviewer']}: {fact['says']}")
    for fact in refused:
        typer.echo(f"error: {fact['file']}: {fact['refused']}", err=True)
    if len(refused) < len(facts) and not as_json:
        say("The next build of the report shows it: livercohort report")
    if refused:
        raise typer.Exit(max(fact["exit_code"] for fact in refused))


def _import(settings: Settings, path: Path, number: int) -> dict[str, Any]:
    """Take in one file; one that is refused does not keep the others out.

    Only a name that a page gave is repeated: any other may name a person.
    """
    from tasks.deidentify.search.store_scan_release import require_nobody_in
    from tasks.report.store_reviews import REVIEW_FILE, import_review

    name = f"file {number}"
    if REVIEW_FILE.fullmatch(path.name):
        name += f", {path.name}"
    try:
        fact = _fact(import_review(settings.zones, path, partial(require_nobody_in, settings)))
    except LivercohortError as error:
        return {"file": name, "refused": error.message, "exit_code": int(error.exit_code)}
    return {"file": name, "refused": "", **fact}


def _fact(imported: Any) -> dict[str, Any]:
    from tasks.report.reviews import SignOff

    review = imported.review
    content = review.content
    if isinstance(content, SignOff):
        kind, says = "sign-off", f"{review.run} {content.decision}"
    else:
        answer = "assessable" if content.assessable else "not assessable"
        counts = "" if imported.viewed == "full_series" else ", seen in part, does not decide"
        kind, says = "rating", f"{content.subject_id} {content.exam} {answer}{counts}"
    already = "" if imported.new else " (was there already)"
    return {
        "kind": kind,
        "reviewer": review.reviewer,
        "says": says + already,
        "new": imported.new,
        "sha256": review.sha256,
    }
