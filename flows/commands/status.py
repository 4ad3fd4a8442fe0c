"""How things stand: what is there, and what is not there and should be."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.commands.console import HomeOption, JsonOption, say, say_json
from flows.commands.night import InboxOption
from schemas.errors import ExitCode
from schemas.run.settings import apply_environment
from schemas.states import FileState


def status(
    site: Annotated[str | None, typer.Argument(help="One site; all without it.")] = None,
    home: HomeOption = None,
    inbox: InboxOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show batches, states and counts that add up, and what needs a person (then it exits 1).

    Example: livercohort status S91 --json
    """
    from flows.home_facts import home_facts
    from schemas.hospital_day import hospital_today
    from schemas.run.sites import site_code
    from tasks.operate.facts import Level, as_json_facts, attention
    from tasks.queries.ageing import oldest_open
    from tasks.queries.store import read_queries
    from tasks.receive.ledger import status_of
    from tasks.receive.store_commit import read_batches

    settings = apply_environment(home=home, inbox=inbox)
    zones = settings.zones
    only = site_code(site) if site else None
    facts = status_of(read_batches(zones, only))
    queries = read_queries(zones).values()
    facts["oldest_open_query"] = oldest_open(
        (query for query in queries if only in (None, query.about.site_code)), hospital_today()
    )
    standing = home_facts(settings, only)
    told = attention(standing)
    facts["waiting_exports"] = {
        one.site_code: one.exports.waiting for one in standing.sites if one.exports.listed
    }
    facts["standing"] = as_json_facts(standing)
    facts["attention"] = [one.__dict__ for one in told]
    if as_json:
        say_json(facts)
    else:
        _say_status(facts)
    if not facts["adds_up"] or any(one.level is Level.ACT for one in told):
        raise typer.Exit(ExitCode.BLOCKED)


def digest(
    home: HomeOption = None,
    inbox: InboxOption = None,
    send: Annotated[bool, typer.Option("--send", help="Send it where the settings say.")] = False,
) -> None:
    """Write this morning's digest below operations/digests/ and print it.

    Example: livercohort digest --send
    """
    from flows.home_facts import make_digest
    from tasks.operate.digest import subject_of
    from tasks.operate.store_notify import notify

    settings = apply_environment(home=home, inbox=inbox)
    told, text, _ = make_digest(settings)
    say(text)
    failed = notify(settings, subject_of(told), text) if send else []
    for one in failed:
        say(one)
    if failed:
        raise typer.Exit(ExitCode.ENVIRONMENT)


def _say_status(facts: dict[str, Any]) -> None:
    states = [state.value for state in FileState]
    say(f"{'site':<6}{'batches':>8}{'files':>8}" + "".join(f"{s:>13}" for s in states))
    for row in facts["sites"]:
        counts = "".join(f"{row['states'][state]:>13}" for state in states)
        say(f"{row['site_code']:<6}{len(row['batches']):>8}{row['n_files']:>8}{counts}")
        if row["reasons"]:
            say("      set aside: " + ", ".join(f"{n} {r}" for r, n in row["reasons"].items()))
    counts = "".join(f"{facts['states'][state]:>13}" for state in states)
    say(f"{'all':<6}{'':>8}{facts['n_files']:>8}{counts}")
    say("The states add up to the files taken in." if facts["adds_up"] else "SUMS DIFFER")
    oldest = facts["oldest_open_query"]
    if oldest:
        say(
            f"oldest open query: {oldest['query_id']} ({oldest['rule_id']}) at "
            f"{oldest['site_code']}, {oldest['age_days']} days, due {oldest['due_on'] or '-'}"
        )
    else:
        say("oldest open query: none is open")
    for one in facts["attention"]:
        say(f"{one['level'].upper():<5}{one['site_code']:<5}{one['text']}")
    if not facts["attention"]:
        say("Nothing needs a person.")
