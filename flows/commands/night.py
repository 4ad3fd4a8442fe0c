"""Commands of a night: ingest, demo."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.console import (
    HomeOption,
    JsonOption,
    WorkersOption,
    say,
    say_json,
    show_progress,
)
from schemas.errors import BadInputError, ExitCode
from schemas.run.arrow_memory import give_memory_back
from schemas.run.settings import Settings, apply_environment

InboxOption = Annotated[
    Path | None, typer.Option("--inbox", help="Where sites deliver (else HOME/inbox).")
]


def ingest(
    site: Annotated[list[str] | None, typer.Argument(help="Site codes, e.g. S91 S92.")] = None,
    all_sites: Annotated[bool, typer.Option("--all", help="Every site that may deliver.")] = False,
    inbox: InboxOption = None,
    home: HomeOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
    only_rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Read, write nothing, say what would be set aside.")
    ] = False,
) -> None:
    """Take in what sites have delivered; what is known already is left alone.

    Example: livercohort ingest S91 S92
    Example: livercohort ingest --all --inbox /data/inbox
    Example: livercohort ingest S91 --rehearse
    """
    give_memory_back()
    from flows.home_facts import gated_sites

    settings = apply_environment(home=home, inbox=inbox, workers=workers)
    chosen = chosen_sites(settings, site or [], all_sites=all_sites)
    if only_rehearse:
        from flows.commands.rehearse import rehearse

        raise typer.Exit(ExitCode.DONE if rehearse(settings, chosen) else ExitCode.BLOCKED)
    waiting = sites_with_work(settings, chosen)
    nights: list[dict[str, Any]] = []
    if waiting:
        require_signed_tables(settings)
        prepare_home(settings)
        show_progress(settings.zones.logs / "livercohort.log")
        nights = run_nights(settings, waiting)
    idle = [code for code in chosen if code not in waiting]
    gated = gated_sites(settings.zones) if all_sites else {}
    if as_json:
        say_json({"nights": nights, "nothing_new": idle, "waiting_for_approval": gated})
    else:
        for night in nights:
            say_night(night)
        if idle:
            say(f"nothing new: {', '.join(idle)}")
        for code, reason in gated.items():
            say(f"{code} waits: {reason}; nothing of its exports was read")
    if any(night["refused"] or _is_held(night) for night in nights):
        raise typer.Exit(ExitCode.BLOCKED)


def demo(
    home: HomeOption = None,
    subjects: Annotated[int, typer.Option(help="Subjects per site.")] = 3,
    seed: Annotated[int, typer.Option(help="Decides every number and pixel.")] = 1,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate three sites over two nights, ingest, release twice, build the report.

    Example: livercohort demo --home /tmp/look
    """
    from flows.orchestrator import prefect_server

    settings = apply_environment(home=home, workers=workers)
    prepare_home(settings)
    show_progress(settings.zones.logs / "livercohort.log")
    with prefect_server(settings):
        from flows.demo import demo as demo_flow
        from flows.demo import prepare_demo

        prepare_demo(settings, seed)
        result = demo_flow(subjects=subjects, seed=seed)
    if as_json:
        say_json(result)
    else:
        say_demo(settings, result)
    if any(night["refused"] or _is_held(night) for night in result["nights"]):
        raise typer.Exit(ExitCode.BLOCKED)


def say_demo(settings: Settings, result: dict[str, Any]) -> None:
    """Print what the demo made and where to look."""
    zones = settings.zones
    say()
    for night in result["nights"]:
        say_night(night)
    for made in result["releases"]:
        rows = made["rows"]
        say(
            f"release {made['version']} {made['status']}: {rows['subject']} subjects, "
            f"{rows['series']} series, {rows['nifti_volume']} volumes, {rows['finding']} findings"
        )
    say()
    report = zones.reports / result["releases"][-1]["report"]
    say(f"report    {report / 'index.html'}")
    say(f"cohort    {zones.releases / 'latest' / 'cohort.duckdb'}")
    say(f"quarantine {zones.restricted / 'quarantine'} (identifiable; fictitious here)")
    command = Path(sys.argv[0])
    say(f"next      {command} status --home {zones.home}")
    say(f"          {command} verify latest --home {zones.home}")


def chosen_sites(settings: Settings, codes: list[str], *, all_sites: bool) -> list[str]:
    """Return the sites to work on, in order; each must have a file that lets it deliver.

    `--all` means every such site with a folder in the inbox.
    """
    from schemas.run.sites import read_sites, site_code

    if all_sites == bool(codes):
        raise BadInputError(
            "sites and --all exclude each other" if codes else "no site given",
            expected="site codes or --all",
            hint="Example: livercohort ingest S91 S92",
        )
    if all_sites:
        return [c.code for c in read_sites() if (settings.zones.inbox / c.code).is_dir()]
    return list(dict.fromkeys(site_code(code) for code in codes))


def sites_with_work(settings: Settings, codes: list[str]) -> list[str]:
    """Return the sites with an export that is complete and new; refuse a site that is busy.

    This looks before anything of a night is loaded, so that a quiet one costs almost nothing.
    """
    from schemas.run.sites import read_site
    from tasks.receive.store import pending_exports
    from tasks.receive.store_lease import require_free

    if not settings.zones.inbox.is_dir():
        raise BadInputError(
            "there is no inbox",
            where=str(settings.zones.inbox),
            hint="Make that folder and let sites deliver into it, or give --inbox.",
        )
    waiting = [
        code
        for code in codes
        if pending_exports(settings.zones, read_site(code), now_ns=time.time_ns())
        or has_decided_work(settings, code)
        or has_series_to_inspect(settings, code)
    ]
    for code in waiting:
        require_free(settings.zones, code)
    return waiting


def has_series_to_inspect(settings: Settings, code: str) -> bool:
    """Return whether the rules in force have not seen a committed series of the site."""
    from schemas.identifiers import SiteCode
    from schemas.run_context import require_key
    from schemas.vault.pixel_decision_log import read_decisions
    from tasks.inspect.rules import load_rules
    from tasks.inspect.store_again import series_to_do

    site = SiteCode(code)
    if not (settings.zones.warehouse / "batches" / site).is_dir():
        return False
    ring = require_key(settings, site)
    decisions = read_decisions(settings.zones, ring)
    return bool(series_to_do(settings.zones, ring, site, load_rules().rules_id, decisions))


def has_decided_work(settings: Settings, code: str) -> bool:
    """Return whether people decided something that a night of the site would take in."""
    from schemas.hospital_day import hospital_today
    from schemas.identifiers import SiteCode
    from schemas.run_context import require_key
    from tasks.desk.store_again import has_work

    site = SiteCode(code)
    if not (settings.zones.restricted / "quarantine" / site).is_dir():
        return False
    return has_work(settings.zones, require_key(settings, site), site, hospital_today())


def require_signed_tables(settings: Settings) -> None:
    """Refuse to begin while a signed table cannot be used."""
    from flows.signed_tables import require_signed_tables as require

    require(settings.zones)


def prepare_home(settings: Settings) -> None:
    """Make the zones, or say why they cannot be made."""
    from schemas.errors import EnvironmentProblemError

    try:
        settings.zones.create()
    except OSError as error:
        raise EnvironmentProblemError(
            f"the home cannot be written: {error.strerror}",
            where=str(settings.zones.home),
            hint="Give this user the right to write there, or set --home.",
        ) from None


def run_nights(settings: Settings, codes: list[str]) -> list[dict[str, Any]]:
    """Run the night of each site; one that fails never stops the others.

    Prefect is shown them if `PREFECT_API_URL` names its server; else nothing of it is loaded.
    """
    from flows.ingest_site import run_night
    from schemas.errors import LivercohortError
    from schemas.identifiers import SiteCode
    from schemas.run.stage_errors import redacted
    from schemas.run_context import require_key

    for code in codes:
        require_key(settings, SiteCode(code))
    nights: list[dict[str, Any]] = []
    for code in codes:
        try:
            nights.append(run_night(code))
        except LivercohortError as error:
            nights.append({"site_code": code, "batches": [], "refused": [error.message]})
        except Exception as error:
            told = redacted(error, "night", settings.zones).message
            nights.append({"site_code": code, "batches": [], "refused": [told]})
    return nights


def say_night(night: dict[str, Any]) -> None:
    """Print one site's night: each batch with its states, each refusal with what to do."""
    for batch in night["batches"]:
        counts = ", ".join(f"{n} {state}" for state, n in batch["counts"].items() if n)
        say(f"{night['site_code']} batch {batch['batch_id']} {batch['state']}: {counts}")
    for message in night["refused"]:
        say(f"{night['site_code']} refused: {message}")


def _is_held(night: dict[str, Any]) -> bool:
    return any(batch["state"] == "held" for batch in night["batches"])
