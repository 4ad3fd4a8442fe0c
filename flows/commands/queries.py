"""Commands of the query loop: what goes to sites, what comes back, where each query stands."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from flows.commands.file_names import file_name, naming_file
from schemas.errors import BadInputError, ExitCode
from schemas.run.settings import Settings, apply_environment

if TYPE_CHECKING:
    from schemas.records import SubjectAssignment
    from schemas.vault.subjects import Vault
    from tasks.queries.exchange import RowOutcome
    from tasks.queries.states import Query, QueryEvent

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
    from schemas.run.sites import site_code
    from tasks.queries.store import read_queries

    if all_sites == bool(site):
        raise BadInputError("give sites or --all", hint="See `livercohort queries export --help`.")
    settings = apply_environment(home=home)
    known = {query.about.site_code for query in read_queries(settings.zones).values()}
    chosen = sorted(known) if all_sites else [site_code(code) for code in site or []]
    done = [_export_site(settings, code, due_days, by) for code in chosen]
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
    from schemas.run.sites import site_code

    settings = apply_environment(home=home)
    if not file.is_file():
        raise BadInputError("there is no such answer file", where=file_name(file))
    code = site_code(site)
    with naming_file(file):
        rows = _import_file(settings, code, file)
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


def _export_site(settings: Settings, site: str, due_days: int, by: str) -> dict[str, Any]:
    from schemas.hospital_day import hospital_today
    from schemas.identifiers import SiteCode
    from tasks.queries.exchange import plan_export
    from tasks.queries.states import TO_BE_SENT, Status
    from tasks.queries.store import changing_queries, count_batches, write_outgoing
    from tasks.queries.store_files import files_of_queries, write_files

    today, user = hospital_today(), _user(by)
    with changing_queries(settings.zones) as register:
        asked = [
            query
            for query in register.queries.values()
            if query.about.site_code == site and query.status in {*TO_BE_SENT, Status.OPEN}
        ]
        run = f"{today:%Y%m%d}-{register.act}"
        events = plan_export(
            asked,
            today=today,
            due_on=today + dt.timedelta(days=due_days),
            run=run,
            actor=user,
            n_batches=count_batches(settings.zones).get(site, 0),
        )
        files: list[Path] = []
        if asked:
            rows = _outgoing_rows(
                settings, site, asked, events, reason=f"query export {run}", by=user
            )
            folder = settings.zones.outgoing(site)
            files = write_outgoing(folder, f"queries_{site}_{run}", rows)
            if aside := files_of_queries(settings.zones, SiteCode(site), asked):
                files.append(folder / f"files_{site}_{run}.csv")
                write_files(files[-1], aside)
            register.add(events)
    return {
        "site_code": site,
        "queries": len(asked),
        "new": len(events),
        "files": [str(path) for path in files],
    }


def _outgoing_rows(
    settings: Settings,
    site: str,
    asked: list[Query],
    events: list[QueryEvent],
    *,
    reason: str,
    by: str,
) -> list[dict[str, str]]:
    from schemas.vault.keys import read_key_file
    from schemas.vault.subjects import Vault
    from tasks.queries.exchange import check_of, outgoing_row

    ring = read_key_file(settings.master_key_file)
    vault = Vault(settings.zones.vault, ring)
    subjects = sorted({q.about.subject_id for q in asked if q.about.subject_id})
    people = {s: _look_up(settings, vault, s, reason=reason, by=by) for s in subjects}
    opened = {event.query_id: event for event in events}
    rows = []
    for query in asked:
        new = opened.get(query.query_id)
        sent_on, due_on = (new.on, new.due_on) if new else (query.opened_on, query.due_on)
        if sent_on is None or due_on is None:
            raise BadInputError("an open query has no due date", where=query.query_id)
        person = people.get(query.about.subject_id or "")
        check = check_of(ring, site, query.query_id)
        rows.append(outgoing_row(query, check, person, sent_on=sent_on, due_on=due_on))
    return sorted(rows, key=lambda row: (row["study_subject_no"], row["query_id"]))


def _look_up(
    settings: Settings, vault: Vault, subject: str, *, reason: str, by: str
) -> SubjectAssignment | None:
    from schemas.identifiers import SubjectId
    from schemas.vault.look_ups import look_up_subject

    # A person who was screened but has no row in a linkage is not in the vault.
    if vault.assignment(SubjectId(subject)) is None:
        return None
    head = settings.zones.look_up_head
    return look_up_subject(vault, head, SubjectId(subject), reason=reason, by=by)


def _import_file(settings: Settings, site: str, file: Path) -> list[dict[str, Any]]:
    from schemas.hospital_day import hospital_today
    from schemas.vault.keys import read_key_file
    from tasks.queries.exchange import plan_answers, read_rows, require_answers
    from tasks.queries.store import (
        changing_queries,
        count_batches,
        keep_answer_file,
        read_answer_table,
        require_new_answer_file,
    )

    ring = read_key_file(settings.master_key_file)
    data = file.read_bytes()
    with changing_queries(settings.zones) as register:
        digest = require_new_answer_file(settings.zones, site, data)
        rows = read_rows(read_answer_table(data))
        require_answers(rows)
        events, outcomes = plan_answers(
            rows,
            register.queries,
            site=site,
            ring=ring,
            today=hospital_today(),
            n_batches=count_batches(settings.zones).get(site, 0),
            sha256=ring.keyed_digest(digest),
        )
        register.add(events)
        keep_answer_file(settings.zones, site, data, digest)
    return [_told(file, one) for one in outcomes]


def _told(file: Path, one: RowOutcome) -> dict[str, Any]:
    from tasks.queries.exchange import OUTCOME_TEXTS

    text = OUTCOME_TEXTS.get(one.outcome)
    return {
        "file": file_name(file),
        "row": one.row_no,
        "query_id": one.query_id,
        "outcome": one.outcome.value,
        "refused": text is not None,
        "found": text.found if text else "",
        "expected": text.expected if text else "",
        "to_do": text.to_do if text else "",
    }


def _user(by: str) -> str:
    import os
    import pwd

    user = pwd.getpwuid(os.getuid()).pw_name  # not from the environment, which anybody can set
    return f"{user} ({by})" if by else user


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else value
