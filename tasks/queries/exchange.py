"""What goes out to a site and what comes back: rows, checks, and why an answer is refused. Pure.

The file that goes out is restricted: it has the site's own subject numbers and real dates.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from schemas.errors import BadInputError
from schemas.records import SubjectAssignment
from schemas.returned_forms import outgoing_headings, returned_rows
from schemas.vault.keys import KeyRing, Purpose
from tasks.queries.states import TO_BE_SENT, Answer, Query, QueryEvent, Status, next_event

#: Columns of the file, in order, with their Chinese headings; the last two are the site's.
COLUMNS = {
    "query_id": "质疑编号",
    "check": "校验码",
    "site_code": "中心",
    "severity": "严重程度",
    "rule_id": "规则",
    "study_subject_no": "研究受试者编号",
    "examination_date": "检查日期",
    "modality": "模态",
    "sequence_label": "序列",
    "place": "位置",
    "field": "字段",
    "text_zh": "问题与处理",
    "text_en": "问题与处理（英文）",
    "sent_on": "首次发出日期",
    "due_on": "答复期限",
    "answer": "答复",
    "answer_comment": "答复说明",
}
#: What a site writes into `answer`; each word stands for one answer.
ANSWER_WORDS = {
    "corrected": Answer.CORRECTED,
    "已更正": Answer.CORRECTED,
    "confirmed_as_is": Answer.CONFIRMED,
    "属实": Answer.CONFIRMED,
    "cannot_mend": Answer.CANNOT_MEND,
    "无法更正": Answer.CANNOT_MEND,
}
_NEEDED = ("query_id", "check", "answer")
_CHECK_DIGITS = 8
_FORM_PLACE = re.compile(r"[a-z_]+:\d+|\d+")


class Outcome(StrEnum):
    """What became of one row of an answer file."""

    ACCEPTED = "ACCEPTED"
    NO_ANSWER = "NO_ANSWER"
    UNKNOWN_ANSWER = "UNKNOWN_ANSWER"
    UNKNOWN_QUERY = "UNKNOWN_QUERY"
    WRONG_SITE = "WRONG_SITE"
    ID_EDITED = "ID_EDITED"
    STANDS_TWICE = "STANDS_TWICE"
    NOT_SENT = "NOT_SENT"
    ALREADY_ANSWERED = "ALREADY_ANSWERED"
    QUERY_CLOSED = "QUERY_CLOSED"


@dataclass(frozen=True)
class OutcomeText:
    """What a refused row is told: found, expected, and who does what."""

    found: str
    expected: str
    to_do: str


_IN_ITS_FILE = (
    "Ask the site to answer in the file it was sent, without changing query_id and check."
)
_NONE = "Nothing: `livercohort queries list` shows where the query stands."
OUTCOME_TEXTS = {
    Outcome.UNKNOWN_ANSWER: OutcomeText(
        "the answer is none of the words",
        ", ".join(ANSWER_WORDS),
        "Ask the site to choose one; what it wants to say goes into answer_comment.",
    ),
    Outcome.UNKNOWN_QUERY: OutcomeText(
        "no query has this id", "a query_id as it was sent", _IN_ITS_FILE
    ),
    Outcome.WRONG_SITE: OutcomeText(
        "the query was put to another site",
        "queries of the site that answers",
        "Import the file under the site it was sent to.",
    ),
    Outcome.ID_EDITED: OutcomeText(
        "query_id and check do not belong together", "both as they were sent", _IN_ITS_FILE
    ),
    Outcome.STANDS_TWICE: OutcomeText(
        "the query stands in several rows",
        "one row for each query",
        "Ask the site which row holds.",
    ),
    Outcome.NOT_SENT: OutcomeText(
        "the site was not told of this query since it last came up",
        "a query that is open",
        "Export the queries and ask the site to answer in the new file.",
    ),
    Outcome.ALREADY_ANSWERED: OutcomeText(
        "the query has an answer already, which stays", "a query that is open", _NONE
    ),
    Outcome.QUERY_CLOSED: OutcomeText("the query is closed", "a query that is open", _NONE),
}
_NOT_ANSWERABLE = {
    Status.CANDIDATE: Outcome.NOT_SENT,
    Status.REISSUED: Outcome.NOT_SENT,
    Status.ANSWERED: Outcome.ALREADY_ANSWERED,
    Status.CLOSED: Outcome.QUERY_CLOSED,
    Status.CANCELLED: Outcome.QUERY_CLOSED,
}


@dataclass(frozen=True)
class AnswerRow:
    """One row as it came back."""

    row_no: int
    query_id: str
    check: str
    answer: str


@dataclass(frozen=True)
class RowOutcome:
    """What became of a row; names its number and our id, never a word of the site's."""

    row_no: int
    query_id: str
    outcome: Outcome


def plan_export(
    queries: Iterable[Query],
    *,
    today: dt.date,
    due_on: dt.date,
    run: str,
    actor: str,
    n_batches: int,
) -> list[QueryEvent]:
    """Return the events that open what the site was not told yet."""
    return [
        replace(
            next_event(query, Status.OPEN, on=today, actor=actor, n_batches=n_batches),
            due_on=due_on,
            export_run=run,
        )
        for query in queries
        if query.status in TO_BE_SENT
    ]


def check_of(ring: KeyRing, site: str, query: str) -> str:
    """Return the check that stands beside an id: a changed id no longer fits it."""
    return "c-" + ring.mac(Purpose.LOOKUP, "query-check", site, query).hex()[:_CHECK_DIGITS]


def outgoing_row(
    query: Query, check: str, person: SubjectAssignment | None, *, sent_on: dt.date, due_on: dt.date
) -> dict[str, str]:
    """Return one row of the file for a site (restricted).

    Parameters
    ----------
    query : Query
        What is asked.
    check : str
        From `check_of`.
    person : SubjectAssignment or None
        From the logged look-up; None when the query is about no subject.
    sent_on, due_on : datetime.date
        When the site was first told, and when it is to answer.
    """
    about = query.about
    real = None
    if person is not None and about.examination_date_shifted is not None:
        real = about.examination_date_shifted + dt.timedelta(days=person.shift_days)
    place = about.object_id if _FORM_PLACE.fullmatch(about.object_id) else ""
    return {
        "query_id": query.query_id,
        "check": check,
        "site_code": about.site_code,
        "severity": about.severity,
        "rule_id": about.rule_id,
        "study_subject_no": person.subject_no if person else "",
        "examination_date": real.isoformat() if real else "",
        "modality": about.modality or "",
        "sequence_label": about.sequence_label or "",
        "place": place,
        "field": about.field,
        "text_zh": about.text_zh,
        "text_en": about.text_en,
        "sent_on": sent_on.isoformat(),
        "due_on": due_on.isoformat(),
        "answer": "",
        "answer_comment": "",
    }


def headings() -> list[str]:
    """Return the headings of the file."""
    return outgoing_headings(COLUMNS)


def read_rows(table: Sequence[Sequence[str]]) -> list[AnswerRow]:
    """Return the rows of an answer file.

    Raises
    ------
    BadInputError
        If there is no heading, or a needed column is missing or stands twice.
    """
    hint = "Ask the site to answer in the file it was sent, without changing its headings."
    rows = returned_rows(table, _NEEDED, where="the answer file", hint=hint)
    # A note of the site's below the rows is no answer.
    return [AnswerRow(line, *cells) for line, cells in rows if any(cells)]


def require_answers(rows: Sequence[AnswerRow]) -> None:
    """Raise BadInputError when no row has an answer: a blank file is no reply."""
    if not any(row.answer for row in rows):
        raise BadInputError(
            f"{len(rows)} rows, none with an answer",
            where="column answer",
            expected=", ".join(ANSWER_WORDS),
            hint="Nothing was imported. Ask the site to fill in the column and send it again.",
        )


def plan_answers(
    rows: Sequence[AnswerRow],
    queries: Mapping[str, Query],
    *,
    site: str,
    ring: KeyRing,
    today: dt.date,
    n_batches: int,
    sha256: str,
) -> tuple[list[QueryEvent], list[RowOutcome]]:
    """Return the events of the answers that hold, and what became of every row.

    A row that is refused changes nothing and stops no other.
    """
    counts = Counter(row.query_id for row in rows)
    events, outcomes = [], []
    for row in rows:
        query = queries.get(row.query_id)
        outcome = _judge(row, query, site, ring, counts)
        if query is not None and outcome is Outcome.ACCEPTED:
            answered = next_event(
                query, Status.ANSWERED, on=today, actor=f"site {site}", n_batches=n_batches
            )
            answer = ANSWER_WORDS[row.answer]
            events.append(replace(answered, answer=answer, answer_sha256=sha256))
        # An id that is none of ours may be anything, a name too: it is not repeated.
        outcomes.append(RowOutcome(row.row_no, query.query_id if query else "", outcome))
    return events, outcomes


def _judge(
    row: AnswerRow, query: Query | None, site: str, ring: KeyRing, counts: Mapping[str, int]
) -> Outcome:
    if query is None:
        return Outcome.UNKNOWN_QUERY
    tests = (
        (query.about.site_code != site, Outcome.WRONG_SITE),
        (row.check != check_of(ring, site, query.query_id), Outcome.ID_EDITED),
        (counts[row.query_id] > 1, Outcome.STANDS_TWICE),
        (not row.answer, Outcome.NO_ANSWER),
        (row.answer not in ANSWER_WORDS, Outcome.UNKNOWN_ANSWER),
        (query.status is not Status.OPEN, _NOT_ANSWERABLE.get(query.status, Outcome.NOT_SENT)),
    )
    return next((outcome for holds, outcome in tests if holds), Outcome.ACCEPTED)
