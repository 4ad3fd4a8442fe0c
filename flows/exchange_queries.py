"""Queries go to a site, and its answers come back: vault, register and files in step."""

from __future__ import annotations

import datetime as dt
import os
import pwd
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flows.file_names import file_name
from flows.withdrawals import last_look, nobody_withdraws, withdrawn_since
from schemas.errors import BadInputError
from schemas.hospital_day import hospital_today
from schemas.identifiers import SiteCode, SubjectId
from schemas.records import SubjectAssignment
from schemas.run.settings import Settings
from schemas.vault.keys import read_key_file
from schemas.vault.look_ups import look_up_subject
from schemas.vault.subjects import Vault
from tasks.queries.exchange import (
    OUTCOME_TEXTS,
    RowOutcome,
    check_of,
    outgoing_row,
    plan_answers,
    plan_export,
    read_rows,
    require_answers,
)
from tasks.queries.states import TO_BE_SENT, Query, QueryEvent, Status
from tasks.queries.store import (
    changing_queries,
    count_batches,
    keep_answer_file,
    read_answer_table,
    require_new_answer_file,
    write_outgoing,
)
from tasks.queries.store_files import files_of_queries, write_files


def export_to_site(settings: Settings, site: SiteCode, due_days: int, by: str) -> dict[str, Any]:
    """Write what a site is asked for its coordinator, and open what is new with it.

    Nobody who withdrew is looked up, nor asked about.

    Parameters
    ----------
    settings : Settings
        Of this process.
    site : SiteCode
        Who is asked.
    due_days : int
        Days until an answer is due.
    by : str
        Who asks, beside the system's user; may be empty.

    Returns
    -------
    dict
        `site_code`, `queries`, `new`, and the paths of the `files` written.
    """
    today, user = hospital_today(), current_user(by)
    with nobody_withdraws(settings.zones) as still, changing_queries(settings.zones) as register:
        waiting = [
            query
            for query in register.queries.values()
            if query.about.site_code == site and query.status in {*TO_BE_SENT, Status.OPEN}
        ]
        gone = withdrawn_since(settings, _subjects(waiting))
        asked = [query for query in waiting if query.about.subject_id not in gone]
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
            last_look(settings, still)(_subjects(asked))
            files = write_outgoing(folder, f"queries_{site}_{run}", rows)
            if aside := files_of_queries(settings.zones, site, asked):
                files.append(folder / f"files_{site}_{run}.csv")
                write_files(files[-1], aside)
            register.add(events)
    return {
        "site_code": site,
        "queries": len(asked),
        "new": len(events),
        "files": [str(path) for path in files],
    }


def _subjects(queries: Iterable[Query]) -> list[str]:
    return sorted({one.about.subject_id for one in queries if one.about.subject_id})


def _outgoing_rows(
    settings: Settings,
    site: str,
    asked: list[Query],
    events: list[QueryEvent],
    *,
    reason: str,
    by: str,
) -> list[dict[str, str]]:
    ring = read_key_file(settings.master_key_file)
    vault = Vault(settings.zones.vault, ring)
    people = {s: look_up(settings, vault, s, reason=reason, by=by) for s in _subjects(asked)}
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


def look_up(
    settings: Settings, vault: Vault, subject: str, *, reason: str, by: str
) -> SubjectAssignment | None:
    """Return number and shift of a subject, logged.

    None for a person who was screened but has no row in a linkage: the vault knows none.
    """
    if vault.assignment(SubjectId(subject)) is None:
        return None
    head = settings.zones.look_up_head
    return look_up_subject(vault, head, SubjectId(subject), reason=reason, by=by)


def import_from_site(settings: Settings, site: SiteCode, file: Path) -> list[dict[str, Any]]:
    """Take in a site's answers; return one row per row of the file, with why it was refused."""
    ring = read_key_file(settings.master_key_file)
    data = file.read_bytes()
    with nobody_withdraws(settings.zones), changing_queries(settings.zones) as register:
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


def current_user(by: str) -> str:
    """Return who runs this, and on whose behalf."""
    user = pwd.getpwuid(os.getuid()).pw_name  # not from the environment, which anybody can set
    return f"{user} ({by})" if by else user
