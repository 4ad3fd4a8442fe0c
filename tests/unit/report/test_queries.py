"""Queries: counted per site and state, aged while they wait, and each near its finding."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from schemas.records import QueryRow
from tasks.report.queries import count_queries
from tests.unit.report.synthetic import make_report, render_site

QUERIES = (
    QueryRow("Q-a", "S01", "R", "open", 12, None),
    QueryRow("Q-b", "S01", "R", "answered", 40, None),
    QueryRow("Q-c", "S01", "R", "closed", None, 4),
    QueryRow("Q-d", "S01", "R", "closed", None, 7),
)


def packed(files: dict[str, bytes], table: str) -> list[dict[str, Any]]:
    """Return the rows of a long table as the page reads them."""
    contents = json.loads(files[f"data/{table}.js"].decode().split(" = ", 1)[1].rstrip(";\n"))
    rows = []
    for part in contents["parts"]:
        text = files[f"data/{part['file']}"].decode()
        held = json.loads(text[text.index("{") : text.rindex(")")])
        for row in held["rows"]:
            values = (held["strings"][number] for number in row)
            rows.append(dict(zip(contents["columns"], values, strict=True)))
    return rows


def test_a_site_has_its_queries_by_state_and_age_the_oldest_and_the_median() -> None:
    line = count_queries("S01", QUERIES)
    assert (line.n, line.counts["open"], line.counts["closed"]) == (4, 1, 2)
    assert line.ages == (0, 1, 0, 1)
    assert (line.oldest_days, line.median_days) == (40, 5.5)


def test_a_query_that_ended_has_no_age_even_if_it_is_given_one() -> None:
    ended = QueryRow("Q-e", "S01", "R", "cancelled", 99, None)
    assert count_queries("S01", (*QUERIES, ended)).oldest_days == 40


def test_the_page_sums_its_sites() -> None:
    report = make_report(n_sites=3)
    page = render_site(report)["queries.html"].decode()
    rows = [re.findall(r'data-value="(\d+)"', row) for row in page.split("<tr")]
    rows = [row for row in rows if row]
    sums = [sum(map(int, column)) for column in zip(*rows[:-1], strict=True)]
    assert sums == [int(n) for n in rows[-1]]
    assert sums[0] == len(report.queries)


def test_every_query_stands_once_and_names_its_finding_while_it_stands() -> None:
    report = make_report(n_sites=2)
    files = render_site(report)
    rows = packed(files, "queries")
    assert sorted(row["query_id"] for row in rows) == sorted(q.query_id for q in report.queries)
    message = {f"Q-{one.finding_id}": one.message_zh for one in report.findings}
    for row in rows:
        assert row["message_zh"] == message.get(row["query_id"], "")
        assert bool(row["subject"]) is bool(row["message_zh"])


def test_a_finding_says_who_acts_since_when_it_stands_and_what_became_of_its_query() -> None:
    report = make_report(n_sites=2)
    rows = {row["finding_id"]: row for row in packed(render_site(report), "findings")}
    status = {one.query_id: one.status for one in report.queries}
    for one in report.findings:
        row = rows[one.finding_id]
        assert row["query"] == status.get(f"Q-{one.finding_id}", "")
        assert row["since"] == report.since.get(one.finding_id, "")
        assert row["owner"] == {"Site": "site", "QC reviewer": "reviewer"}.get(
            one.fix_en.partition(":")[0], "nobody"
        )


def test_without_queries_the_page_says_so() -> None:
    page = render_site(dataclasses.replace(make_report(n_sites=1), queries=()))["queries.html"]
    assert b"No query has been raised" in page
    assert b"<table" not in page


def test_the_first_page_says_how_many_wait_and_how_long_the_oldest() -> None:
    report = dataclasses.replace(make_report(n_sites=1), queries=QUERIES)
    page = render_site(report)["index.html"].decode()
    assert "2 queries to sites wait" in page
    assert "the oldest for 40 days" in page
