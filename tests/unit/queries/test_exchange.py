"""What goes out can be answered; what comes back wrong is refused by name and changes nothing."""

from __future__ import annotations

import datetime as dt
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from openpyxl import load_workbook

from schemas.errors import BadInputError, ContractError
from schemas.identifiers import RawPatientId, SiteCode, SubjectId, SubjectNo
from schemas.records import SubjectAssignment
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from tasks.queries import store
from tasks.queries.exchange import (
    COLUMNS,
    OUTCOME_TEXTS,
    Outcome,
    check_of,
    outgoing_row,
    plan_answers,
    plan_export,
    read_rows,
    require_answers,
)
from tasks.queries.states import Answer, Query, QueryEvent, Status, fold
from tests.unit.queries.builders import DAY, about, after, night

PERSON = SubjectAssignment(
    SiteCode("S91"), SubjectId("S91-ABCD2345"), SubjectNo("0012"), (RawPatientId("P1"),), 400
)
SUBJECT = {"subject_id": "S91-ABCD2345", "examination_date_shifted": dt.date(2024, 1, 31)}


def opened() -> dict[str, Query]:
    raised = after(night(1, about("f1", **SUBJECT), about("f2", **SUBJECT)))
    events = plan_export(raised.values(), today=DAY, due_on=DAY, run="r", actor="u", n_batches=1)
    return fold([*(e for q in raised.values() for e in q.events), *events])


def outgoing(queries: dict[str, Query], ring: KeyRing) -> list[dict[str, str]]:
    return [
        outgoing_row(q, check_of(ring, "S91", q.query_id), PERSON, sent_on=DAY, due_on=DAY)
        for q in queries.values()
    ]


def judged(
    rows: list[dict[str, str]], queries: dict[str, Query], ring: KeyRing, site: str = "S91"
) -> tuple[list[QueryEvent], list[Outcome]]:
    table = [list(COLUMNS), *(list(row.values()) for row in rows)]
    events, outcomes = plan_answers(
        read_rows(table), queries, site=site, ring=ring, today=DAY, n_batches=1, sha256="0"
    )
    return events, [one.outcome for one in outcomes]


def test_a_row_has_the_sites_own_number_and_the_real_date(ring: KeyRing) -> None:
    row = outgoing(opened(), ring)[0]
    assert list(row) == list(COLUMNS)
    assert (row["study_subject_no"], row["examination_date"]) == ("0012", "2025-03-06")
    assert "S91-ABCD2345" not in row.values()


@pytest.mark.parametrize(
    ("word", "answer"),
    [("已更正", Answer.CORRECTED), ("属实", Answer.CONFIRMED), ("cannot_mend", Answer.CANNOT_MEND)],
)
def test_an_answer_is_taken_in_in_either_language(ring: KeyRing, word: str, answer: Answer) -> None:
    rows = outgoing(opened(), ring)
    rows[0]["answer"] = word
    events, outcomes = judged(rows, opened(), ring)
    assert outcomes == [Outcome.ACCEPTED, Outcome.NO_ANSWER]
    assert [(e.status, e.answer, e.actor) for e in events] == [
        (Status.ANSWERED, answer, "site S91")
    ]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"query_id": "Q-0000"}, Outcome.UNKNOWN_QUERY),
        ({"query_id": "Q-f2"}, Outcome.ID_EDITED),
        ({"check": "c-00000000"}, Outcome.ID_EDITED),
        ({"answer": "perhaps"}, Outcome.UNKNOWN_ANSWER),
        ({"answer": ""}, Outcome.NO_ANSWER),
    ],
    ids=["unknown query", "id of another row", "check edited", "unknown answer", "no answer"],
)
def test_an_edited_row_is_refused_by_name_and_changes_nothing(
    ring: KeyRing, changes: dict[str, str], outcome: Outcome
) -> None:
    row = outgoing(opened(), ring)[0] | {"answer": "corrected"} | changes
    assert judged([row], opened(), ring) == ([], [outcome])


def test_a_query_of_another_site_is_refused(ring: KeyRing) -> None:
    row = outgoing(opened(), ring)[0] | {"answer": "corrected"}
    assert judged([row], opened(), ring, site="S92") == ([], [Outcome.WRONG_SITE])


def test_a_query_that_stands_twice_in_a_file_is_not_guessed(ring: KeyRing) -> None:
    row = outgoing(opened(), ring)[0]
    twice = [row | {"answer": "corrected"}, row | {"answer": "属实"}]
    assert judged(twice, opened(), ring) == ([], [Outcome.STANDS_TWICE] * 2)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (Status.CANDIDATE, Outcome.NOT_SENT),
        (Status.REISSUED, Outcome.NOT_SENT),
        (Status.ANSWERED, Outcome.ALREADY_ANSWERED),
        (Status.CLOSED, Outcome.QUERY_CLOSED),
        (Status.CANCELLED, Outcome.QUERY_CLOSED),
    ],
)
def test_only_an_open_query_can_be_answered(
    ring: KeyRing, status: Status, outcome: Outcome
) -> None:
    queries = opened()
    row = outgoing(queries, ring)[0] | {"answer": "corrected"}
    queries["Q-f1"] = replace(queries["Q-f1"], status=status)
    assert judged([row], queries, ring) == ([], [outcome])


@pytest.mark.parametrize(
    "names", [["query_id", "answer"], ["query_id", "check", "check", "answer"]]
)
def test_a_file_without_its_headings_is_refused(names: list[str]) -> None:
    with pytest.raises(BadInputError, match="check"):
        read_rows([names])
    with pytest.raises(BadInputError, match="query_id"):
        read_rows([])


def test_both_files_that_go_out_come_back_as_they_were(ring: KeyRing, tmp_path: Path) -> None:
    rows = outgoing(opened(), ring)
    text, book = store.write_outgoing(tmp_path / "S91", "queries_S91_1", rows)
    assert [path.name for path in (text, book)] == ["queries_S91_1.csv", "queries_S91_1.xlsx"]
    assert text.read_bytes().startswith(b"\xef\xbb\xbf")
    assert {path.stat().st_mode & 0o777 for path in (text, book)} == {0o600}
    read = [read_rows(store.read_answer_table(path.read_bytes())) for path in (text, book)]
    assert read[0] == read[1]
    assert [row.query_id for row in read[0]] == ["Q-f1", "Q-f2"]
    cell = load_workbook(book).worksheets[0]["F2"]
    assert (cell.value, cell.number_format) == ("0012", "@")


def test_an_answer_file_in_gb18030_with_semicolons_is_read() -> None:
    text = "query_id（质疑编号）;check（校验码）;answer（答复）\r\nQ-f1;c-1;已更正\r\n"
    assert [row.answer for row in read_rows(store.read_answer_table(text.encode("gb18030")))] == [
        "已更正"
    ]


def bomb() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "no workbook")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"PK\x03\x04 broken", bomb(), b"\xff\xfe\xff", b'query_id,"check', b"x" * 20_000_001],
    ids=["broken zip", "no workbook", "no encoding", "open quote", "too large"],
)
def test_a_file_that_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(BadInputError):
        store.read_answer_table(data)


def test_the_register_only_grows_and_reads_back_as_it_was(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    queries = opened()
    for status in (Status.CANDIDATE, Status.OPEN):
        with store.changing_queries(zones) as register:
            register.add([e for q in queries.values() for e in q.events if e.status is status])
    assert store.read_queries(zones) == queries
    folder = zones.operations / "queries"
    assert sorted(p.name for p in folder.glob("*.json")) == ["000001.json", "000002.json"]
    assert store.query_table(queries.values()).num_rows == 2
    assert store.event_table(queries.values()).num_rows == 4


def test_an_act_that_does_not_follow_writes_nothing(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    event = opened()["Q-f1"].events[1]
    with store.changing_queries(zones) as register, pytest.raises(ContractError):
        register.add([event])
    assert store.read_queries(zones) == {}


def test_a_missing_or_damaged_file_of_events_is_told(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    for query in opened().values():
        with store.changing_queries(zones) as register:
            register.add(query.events)
    first = zones.operations / "queries" / "000001.json"
    first.write_text("[{}]")
    with pytest.raises(ContractError, match="cannot be read"):
        store.read_queries(zones)
    first.unlink()
    with pytest.raises(ContractError, match="is missing"):
        store.read_queries(zones)


def test_an_answer_file_comes_once(tmp_path: Path) -> None:
    zones = Zones(tmp_path)
    digest = store.require_new_answer_file(zones, "S91", b"answers")
    store.keep_answer_file(zones, "S91", b"answers", digest)
    with pytest.raises(BadInputError, match="imported before"):
        store.require_new_answer_file(zones, "S91", b"answers")


def test_every_refusal_says_what_was_found_what_was_expected_and_what_to_do() -> None:
    assert OUTCOME_TEXTS.keys() == set(Outcome) - {Outcome.ACCEPTED, Outcome.NO_ANSWER}
    for text in OUTCOME_TEXTS.values():
        assert all((text.found, text.expected, text.to_do))


def test_a_file_without_one_answer_is_no_reply(ring: KeyRing) -> None:
    rows = outgoing(opened(), ring)
    blank = read_rows([list(COLUMNS), *(list(row.values()) for row in rows)])
    for listed in (blank, []):
        with pytest.raises(BadInputError, match=f"{len(listed)} rows, none with an answer"):
            require_answers(listed)
    require_answers([*blank[1:], replace(blank[0], answer="属实")])
