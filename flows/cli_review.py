"""Commands of reviewers: taking in what a page of the report made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.console import HomeOption, JsonOption, say, say_json
from schemas.settings import apply_environment

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

    Example: livercohort signoff import review_release-1.1.0_QC01.json
    """
    from tasks.report.store_reviews import import_review

    settings = apply_environment(home=home)
    taken = [_fact(import_review(settings.zones, path)) for path in files]
    if as_json:
        say_json(taken)
        return
    for fact in taken:
        say(f"{fact['kind']} by {fact['reviewer']}: {fact['says']}")
    say("The next build of the report shows it: livercohort report")


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
