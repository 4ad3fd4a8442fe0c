"""Three nights of one site: every kind of conflict found, asked for, answered, and mended."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import duckdb
import pytest

from tasks.simulate.faults.story_faults import STORY_FAULTS
from tasks.simulate.nights import PlannedNight, Request, plan_nights
from tasks.simulate.people.conflicts import CONFLICTS
from tests.flows.conftest import Ended, run
from tests.flows.exports import new_home

#: Three nights and releases take longer than a test may, on a machine that others use too.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

SITE = "S91"
FAULTS = tuple(name for name in STORY_FAULTS if name.startswith("conflict_"))
#: Forms and control files only: conflicts lie in forms, and images take most of a night.
STATES = ("clinical", "control")


def planned() -> Iterator[PlannedNight]:
    yield from plan_nights(Request(sites=1, subjects=len(FAULTS), nights=3, seed=5, faults=FAULTS))


def deliver(home: Path, night: PlannedNight) -> None:
    folder = home / "inbox" / SITE / night.export.name
    for file in night.export.files:
        if file.state in STATES and file.path != "manifest.csv":
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content())


def ask(home: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "releases/latest/cohort.duckdb"), read_only=True) as database:
        return database.execute(sql).fetchall()


def queries_sent(home: Path) -> list[dict[str, str]]:
    path = sorted((home / "restricted" / "outgoing" / SITE).glob("queries_*.csv"))[-1]
    text = path.read_text(encoding="utf-8-sig")
    return [
        {name.partition("（")[0]: value for name, value in row.items()}
        for row in csv.DictReader(StringIO(text))
    ]


def answer(home: Path) -> Ended:
    """Send the newest queries back, each answered as corrected."""
    path = sorted((home / "restricted" / "outgoing" / SITE).glob("queries_*.csv"))[-1]
    rows = list(csv.reader(StringIO(path.read_text(encoding="utf-8-sig"))))
    place = next(n for n, name in enumerate(rows[0]) if name.startswith("answer（"))
    for row in rows[1:]:
        row[place] = "已更正"
    text = StringIO()
    csv.writer(text).writerows(rows)
    back = home / "answers_S91.csv"
    back.write_text(text.getvalue(), encoding="utf-8")
    return run("queries", "import", SITE, back, "--home", home)


def test_conflicts_are_raised_answered_and_closed_by_the_corrected_form(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    for number, night in enumerate(planned(), 1):
        deliver(home, night)
        for command in (("ingest", SITE), ("release",)):
            told = run(*command, "--home", home)
            assert told.code == 0, told.out + told.err
        if number == 2:
            states = {str(state) for (state,) in ask(home, "SELECT reference_state FROM lesion")}
            assert "contradicted" in states
            assert ask(home, "SELECT count(*) FROM subject "
                       "WHERE patient_reference IN ('malignant', 'benign')") == [(0,)]  # fmt: skip
            raised = {str(rule) for (rule,) in ask(home, "SELECT rule_id FROM finding")}
            assert {one.rule_id for one in CONFLICTS.values()} <= raised
            assert run("queries", "export", SITE, "--home", home).code == 0
            asked = {row["rule_id"] for row in queries_sent(home)}
            assert {one.rule_id for one in CONFLICTS.values()} <= asked
            sent = [row for row in queries_sent(home) if row["rule_id"] == "REF_CONTRADICTED"]
            assert all(
                row["study_subject_no"] and row["text_zh"] and row["text_en"] for row in sent
            )
            assert answer(home).code == 0
    # Without images no follow-up can be counted from the MRI; tissue proves its label all the same.
    assert ask(
        home, "SELECT patient_reference, count(*) FROM subject GROUP BY ALL ORDER BY ALL"
    ) == [("indeterminate", 5), ("malignant", 5)]
    contradictions = {one.rule_id for one in CONFLICTS.values()} - {"REF_UNPROVEN"}
    standing = {str(rule) for (rule,) in ask(home, "SELECT rule_id FROM finding")}
    assert not standing & contradictions
    queries = run("queries", "list", SITE, "--home", home, "--json").json()
    ended = [row for row in queries if row["rule_id"] in contradictions]
    assert {row["rule_id"] for row in ended} == contradictions
    assert {(row["status"], row["closed_reason"]) for row in ended} == {
        ("closed", "data_corrected")
    }
    every_flow_closes(home)


def every_flow_closes(home: Path) -> None:
    """Nodes sum to their parent per site and reading in the release, and per stratum and month."""
    sums = """SELECT count(*) FROM (
        SELECT p.n, sum(c.n) AS parts FROM {flow} p JOIN {flow} c
        ON c.parent_id = p.node_id AND {same} GROUP BY ALL) WHERE n <> parts"""
    keys = ("reading", "site_code")
    same = " AND ".join(f"p.{key} = c.{key}" for key in keys)
    query = sums.format(flow="stard_flow", same=same).replace(
        "SELECT p.n,", f"SELECT {', '.join(f'p.{key}' for key in keys)}, p.node_id, p.n,"
    )
    assert ask(home, query) == [(0,)]
    restricted = home / "restricted" / "accrual" / "flow.csv"
    with restricted.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    cells: dict[tuple[str, ...], dict[str, tuple[str, int]]] = {}
    for row in rows:
        cell = (row["reading"], row["site_code"], row["ascertainment"], row["month"])
        cells.setdefault(cell, {})[row["node_id"]] = (row["parent_id"], int(row["n"]))
    assert cells
    for nodes in cells.values():
        for node, (_, n) in nodes.items():
            parts = [m for parent, m in nodes.values() if parent == node]
            assert not parts or sum(parts) == n
    total = sum(
        nodes["screened"][1] for (reading, *_), nodes in cells.items() if reading == "literal"
    )
    screened = ask(
        home,
        "SELECT n FROM stard_flow WHERE node_id = 'screened' AND reading = 'literal' "
        "AND site_code = 'all'",
    )
    assert screened == [(total,)]
