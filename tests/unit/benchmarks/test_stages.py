"""`make bench` says what was reached of what was asked, and runs all that a chosen case needs."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.goals import GOALS, judgement
from benchmarks.profiles import package_of, profile_of, told
from benchmarks.stage_results import BASE, BEFORE, NOW, Measured, Results
from benchmarks.stages import CASES, PEERS, ROOT, chosen
from benchmarks.stages_shown import markdown, plot

LARGE = "deidentify, large files"


def took(cpu_s: float, wall_s: float = 1.0) -> Measured:
    return Measured(cpu_s, (cpu_s - 0.1, cpu_s + 0.3), wall_s, 123.0)


def results() -> Results:
    measured = {
        ("large", BASE): took(2.0),
        (LARGE, "dicom-anonymizer"): took(15.0),
        (LARGE, BEFORE): took(3.0, 4.0),
        (LARGE, NOW): took(2.2, 3.0),
        (f"{LARGE}, 2 workers", NOW): took(2.4, 1.5),
    }
    sources = {LARGE: "large", f"{LARGE}, 2 workers": "large"}
    return Results(
        facts={"cores": "2"},
        sources=sources,
        files={"large": (100, 50_000_000)},
        measured=measured,
        disk={},
        problems=["label, before: no <such> command"],
    )


def test_every_goal_and_every_peer_is_of_a_case_that_is_run() -> None:
    names = {case.name for case in CASES}
    assert {goal.case for goal in GOALS} <= names
    assert set(PEERS) <= names


def test_a_goal_is_judged_by_what_was_measured_of_that_checkout() -> None:
    assert judgement(LARGE, NOW, results()).split("; ") == [
        "<= 1.2 x base (issue 21): reached, 1.1",
        "<= 1 x base (design): **missed**, 1.1",
        ">= 8 x less than dicom-anonymizer (issue 21): **missed**, 6.82",
    ]
    assert judgement(LARGE, BEFORE, results()).startswith(
        "<= 1.2 x base (issue 21): **missed**, 1.5"
    )


def test_what_two_workers_give_is_wall_time_of_the_same_checkout() -> None:
    two = f"{LARGE}, 2 workers"
    assert judgement(two, NOW, results()) == ">= 1.7 x by 2 workers (issue 21): reached, 2"
    assert judgement(two, BEFORE, results()).endswith("not measured")


def test_a_chosen_case_brings_what_its_home_has_seen_before_it() -> None:
    names = [case.name for case in chosen("nothing new")]
    assert names == ["night, simulated small images", "release, first", "release, nothing new"]
    assert [case.name for case in chosen("^label, small")] == ["label, small files"]
    with pytest.raises(SystemExit, match="there are"):
        chosen("no such stage")


def test_the_table_has_a_line_for_each_and_says_what_was_not_measured() -> None:
    text = markdown(results())
    rows = [line.split(" | ")[:4] for line in text.splitlines() if line.startswith(f"| {LARGE} |")]
    assert [row[1] for row in rows] == [BASE, "dicom-anonymizer", BEFORE, NOW]
    assert rows[3] == [f"| {LARGE}", NOW, "2.20", "2.10 to 2.50"]
    assert "- label, before: no <such> command" in text
    assert ElementTree.fromstring(plot(results())).tag.endswith("svg")


def test_a_profile_counts_the_innermost_frames() -> None:
    scan = f"scan ({ROOT}/schemas/dicom/scan.py:4)"
    load = "load (<frozen importlib._bootstrap>:1)"
    stacks = "\n".join(
        [
            f"process 1:python;main ({ROOT}/flows/cli.py:1);{scan} 30",
            f"process 2:python;{scan} 10",
            "process 2:python;read (/v/lib/python3.11/site-packages/pydicom/filereader.py:7) 40",
            f"process 2:python;{load};<module> (/v/lib/python3.11/x.py:7) 15",
            "process 2:python;get_data (<frozen importlib._bootstrap_external>:1) 5",
            "cut short",
        ]
    )
    found = profile_of(stacks)
    assert found.functions["scan (schemas/dicom/scan.py)"] == 40
    assert found.packages == {
        "schemas.dicom": 40,
        "pydicom": 40,
        "Python's own library": 15,
        "imports": 5,
    }
    assert found.importing == 20
    page = told({LARGE: found}, {})
    assert "20 % while something is imported" in page
    assert "| `read (pydicom/filereader.py)` | 40.0 % |" in page
    assert package_of(str(Path(ROOT, "tasks", "x", "task.py"))) == "tasks.x"
