"""The command `withdraw`: keep a subject out of releases to come, or erase it."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.console import HomeOption, JsonOption, say, say_json
from flows.commands.night import prepare_home
from schemas.run.settings import apply_environment
from schemas.vault.suppression import Scope, Withdrawal, require_complete

_COUNTED = (
    "series",
    "warehouse_rows",
    "quarantined_files",
    "form_rows",
    "reports",
    "queries",
    "verification_items",
    "vault_links",
)
_LEFT = {
    "files_in_inbox": "files in the inbox of the site name the person: remove them there",
}


def withdraw(
    subject: Annotated[str, typer.Argument(help="A pseudonym, e.g. S91-7K3QF2ZN.")],
    reason: Annotated[str, typer.Option(help="Why; it stays sealed in the restricted zone.")],
    scope: Annotated[Scope, typer.Option(help="suppress, or erase everything.")] = Scope.SUPPRESS,
    document: Annotated[str, typer.Option(help="The request an erasure rests on.")] = "",
    by: Annotated[str, typer.Option(help="Who asks for the erasure.")] = "",
    approved_by: Annotated[str, typer.Option(help="Who approves it: somebody else.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a subject out of every release to come; with --scope erase, destroy its data.

    Suppression destroys nothing: releases and reports made before stay, and are named. Reports
    and exports made from then on leave the subject out. Erasure cannot be undone: it takes the
    subject out of warehouse, quarantine, sealed forms, queries, reports, vault and all releases,
    and issues a new major version if the newest held it.

    Example: livercohort withdraw S91-7K3QF2ZN --reason "letter of 3 March"
    """
    from flows.free_text import require_clean_texts
    from flows.withdraw_subject import known_subject, withdraw_subject
    from schemas.vault.keys import read_key_file

    act = Withdrawal(scope=scope, reason=reason, document=document, by=by, approved_by=approved_by)
    require_complete(act)
    settings = apply_environment(home=home)
    ring = read_key_file(settings.master_key_file)
    require_clean_texts(
        settings,
        {"--reason": reason, "--by": by, "--approved-by": approved_by},
        {"--document": document},
    )
    site, subject_id = known_subject(settings, ring, subject)
    prepare_home(settings)
    done = withdraw_subject(settings, ring, site, subject_id, act)
    if as_json:
        say_json(done)
    else:
        _say_done(done)


def _say_where_still(places: object) -> None:
    """Name what was made before and still shows the subject: until an erasure, it stays."""
    named = places if isinstance(places, dict) else {}
    shown = {kind: names for kind, names in named.items() if names}
    for kind, names in shown.items():
        say(f"  still shown in {kind} made before: {', '.join(names)}")
    if shown:
        say("  --scope erase takes the subject out of those too.")


def _say_done(done: dict[str, object]) -> None:
    if done["scope"] == Scope.SUPPRESS:
        if done["recorded_before"]:
            say(f"{done['subject_id']} was withdrawn before. Nothing was changed.")
        else:
            say(f"{done['subject_id']} is in no release from the next on. Nothing was destroyed.")
        _say_where_still(done["still_shown_in"])
        return
    if done["recorded_before"] and not any(done[name] for name in (*_COUNTED, "new_version")):
        say(f"{done['subject_id']} was erased before. Nothing was left to erase here.")
        say("The inbox was not searched: nobody knows the person's numbers any more.")
        return
    say(f"{done['subject_id']} was erased:")
    for name in _COUNTED:
        say(f"  {name.replace('_', ' ')}: {done[name]}")
    releases = done["releases"]
    say(f"  releases: {', '.join(map(str, releases)) if isinstance(releases, list) else ''}")
    say(f"  new version: {done['new_version'] or 'none, the newest did not hold the subject'}")
    left = done["left"]
    for name, number in left.items() if isinstance(left, dict) else ():
        if number:
            say(f"  left: {number}: {_LEFT[name]}")
