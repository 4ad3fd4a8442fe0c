"""Commands of the query loop: what goes to sites, what comes back, where each query stands."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.console import (
    CsvOption,
    HomeOption,
    JsonOption,
    OutOption,
    give_rows,
    say,
    say_json,
)
from flows.file_names import file_name, naming_file
from schemas.errors import BadInputError, ExitCode
from schemas.identifiers import SiteCode
from schemas.run.settings import apply_environment

queries_app = typer.Typer(no_args_is_help=True, help="Queries to sites and their answers.")

_SHOWN = ("query_id", "site_code", "status", "severity", "rule_id", "opened_on", "due_on", "answer")
_AGEING_SHOWN = (
    *("site_code", "open", "answered", "closed", "overdue"),
    *("oldest_open_days", "median_days_to_close"),
)
_ANSWERS = (
    *("file", "row", "query_id", "outcome", "refused"),
    *("found", "expected", "to_do"),
)


@queries_app.command("export")
def export(
    site: Annotated[list[str] | None, typer.Argument(help="Site codes, e.g. S91 S92.")] = None,
    all_sites: Annotated[bool, typer.Option("--all", help="Every site with queries.")] = False,
    due_days: Annotated[
        int, typer.Option(min=1, max=365, help="Days until an answer is due.")
    ] = 14,
    by: Annotated[str, typer.Option("--by", help="Who asks, beside the system's user.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what each site is asked into restricted/outgoing/SITE; look-ups are logged.

    A file lists every query the site has not answered; new ones are opened with it.

    Example: livercohort queries export S91 --due-days 14
    Example: livercohort queries export --all
    """
    from flows.exchange_queries import export_to_site
    from flows.free_text import require_clean_texts
    from schemas.run.sites import site_code
    from tasks.queries.store import read_queries

    if all_sites == bool(site):
        raise BadInputError("give sites or --all", hint="See `livercohort queries export --help`.")
    settings = apply_environment(home=home)
    require_clean_texts(settings, {"--by": by})
    known = {query.about.site_code for query in read_queries(settings.zones).values()}
    chosen = sorted(known) if all_sites else [site_code(code) for code in site or []]
    done = [export_to_site(settings, SiteCode(code), due_days, by) for code in chosen]
    if as_json:
        say_json(done)
        return
    for row in done:
        say(f"{row['site_code']}: {row['queries']} queries, {row['new']} of them new")
        for path in row["files"]:
            say(f"  {path}")


@queries_app.command("import")
def import_answers(
    site: Annotated[str, typer.Argument(help="The site that answers.")],
    file: Annotated[Path, typer.Argument(help="The CSV or workbook it sent back.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """Take in a site's answers; a row that cannot be taken is named, with why.

    Example: livercohort queries import S91 queries_S91_20261123-000002.xlsx
    """
    from flows.exchange_queries import import_from_site
    from schemas.run.sites import site_code

    settings = apply_environment(home=home)
    if not file.is_file():
        raise BadInputError("there is no such answer file", where=file_name(file))
    code = site_code(site)
    with naming_file(file):
        rows = import_from_site(settings, code, file)
    refused = [row for row in rows if row["refused"]]
    if as_json or as_csv or out is not None:
        give_rows(rows, as_json=as_json, as_csv=as_csv, out=out, title="answers", columns=_ANSWERS)
    else:
        accepted = sum(row["outcome"] == "ACCEPTED" for row in rows)
        say(f"{accepted} answers taken in, {len(refused)} rows refused, {len(rows)} rows in all")
        for row in refused:
            query = f" {row['query_id']}" if row["query_id"] else ""
            found = f"{row['found']} (expected: {row['expected']}). {row['to_do']}"
            say(f"{row['file']} row {row['row']}{query}: {row['outcome']}: {found}")
    if refused:
        raise typer.Exit(ExitCode.BLOCKED)


@queries_app.command("list")
def list_queries(
    site: Annotated[str | None, typer.Argument(help="One site; all without it.")] = None,
    status: Annotated[str, typer.Option(help="Only queries in this state.")] = "",
    events: Annotated[bool, typer.Option("--events", help="The history instead.")] = False,
    ageing: Annotated[bool, typer.Option("--ageing", help="Ages and days to close.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    out: OutOption = None,
) -> None:
    """Show where each query stands; pseudonyms and shifted dates only.

    Example: livercohort queries list S91 --status open
    Example: livercohort queries list --ageing --csv
    """
    from schemas.hospital_day import hospital_today
    from schemas.run.sites import site_code
    from tasks.queries.ageing import ageing_columns, ageing_rows
    from tasks.queries.states import Status
    from tasks.queries.store import event_table, query_table, read_queries

    settings = apply_environment(home=home)
    if events and ageing:
        raise BadInputError("--events and --ageing exclude each other")
    if status and status not in list(Status):
        raise BadInputError("no such state", expected=", ".join(Status))
    code = site_code(site) if site else None
    chosen = [
        query
        for query in read_queries(settings.zones).values()
        if code in (None, query.about.site_code) and status in ("", query.status)
    ]
    shown: tuple[str, ...] | None = None
    if ageing:
        rows, shown = ageing_rows(chosen, hospital_today()), _AGEING_SHOWN
        columns = ageing_columns()
    else:
        table = event_table(chosen) if events else query_table(chosen)
        rows, columns = table.to_pylist(), table.column_names
        shown = None if events else _SHOWN
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    give_rows(
        plain,
        as_json=as_json,
        as_csv=as_csv,
        out=out,
        title="queries",
        columns=columns,
        shown=shown,
    )


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else value
