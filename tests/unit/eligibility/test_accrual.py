"""Accrual counts every person once, by real month, and stays in the restricted zone."""

from __future__ import annotations

import csv
import datetime as dt
import stat
from pathlib import Path
from xml.etree import ElementTree

import pytest

from schemas.clinical_rows import Cell, ClinicalRow, Missing
from schemas.partial_dates import PartialDate
from schemas.run.zones import Zones
from tasks.eligibility.accrual import (
    NOT_IN_LOG,
    count_accrual,
    cumulative_enrolment,
    enrolment_intervals,
)
from tasks.eligibility.accrual_flow import count_flow
from tasks.eligibility.flow import Place
from tasks.eligibility.store_accrual import write_accrual
from tests.unit.eligibility.cohort import row_for


def screened(
    number: int, on: Cell, reason: str = "", *, ascertainment: str = "prospective"
) -> list[ClinicalRow]:
    """Return the forms of one person of S91: enrolled, or not for a reason."""
    who = f"S91-{number:08}"
    values: dict[str, Cell] = {"screening_no": f"SCR-{number}", "screened_on": on}
    if reason:
        values |= {"enrolled": "no", "reason_not_enrolled": reason}
        return [row_for(who, "screening_log", values, enrolled=False)]
    person = row_for(who, "demographics", {"ascertainment": ascertainment})
    return [row_for(who, "screening_log", values | {"enrolled": "yes"}), person]


ROWS = [
    *screened(1, PartialDate(2025, 3, 1)),
    *screened(2, PartialDate(2025, 3, 20), "declined"),
    *screened(3, PartialDate(2025, 5, 30)),
    *screened(4, PartialDate(2025, 3, 9), ascertainment="retrospective"),
    *screened(5, PartialDate(2025), "age"),
    *screened(6, PartialDate(2025, 3)),
    row_for("S92-00000007", "demographics", {"ascertainment": Missing.UNKNOWN}),
]


def test_every_person_is_counted_once_by_month_stratum_and_outcome() -> None:
    found = {
        (one.site_code, one.ascertainment, one.outcome, one.month): (one.n, one.cumulative)
        for one in count_accrual(ROWS)
    }
    assert found == {
        ("S91", "prospective", "enrolled", "2025-03"): (2, 2),
        ("S91", "prospective", "enrolled", "2025-05"): (1, 3),
        ("S91", "retrospective", "enrolled", "2025-03"): (1, 1),
        ("S91", "unknown", "declined", "2025-03"): (1, 1),
        ("S91", "unknown", "age", "unknown"): (1, 1),
        ("S92", "unknown", NOT_IN_LOG, "unknown"): (1, 1),
    }


def test_intervals_between_enrolments_say_whether_anybody_was_screened() -> None:
    found = [(one.days, one.screened_between) for one in enrolment_intervals(ROWS)]
    assert found == [(82, 1), (8, 0)]


def test_the_plot_climbs_by_one_for_each_person() -> None:
    assert cumulative_enrolment(ROWS) == {
        "prospective": [(dt.date(2025, 3, 1), 1), (dt.date(2025, 5, 30), 2)],
        "retrospective": [(dt.date(2025, 3, 9), 1)],
    }


@pytest.mark.parametrize("rows", [ROWS, []], ids=["some", "nobody"])
def test_the_files_are_whole_and_for_the_owner_alone(
    tmp_path: Path, rows: list[ClinicalRow]
) -> None:
    places = {"literal": [Place(row.subject_id, row.site, "not_enrolled") for row in rows]}
    write_accrual(Zones(tmp_path), rows, places)
    folder = Zones(tmp_path).restricted / "accrual"
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "00000001" not in path.read_text(encoding="utf-8")
    ElementTree.fromstring((folder / "cumulative.svg").read_text(encoding="utf-8"))
    with (folder / "accrual.csv").open(encoding="utf-8") as stream:
        assert sum(int(line["n"]) for line in csv.DictReader(stream)) == (7 if rows else 0)


PEOPLE = [
    ("S91-00000001", "reference_malignant"),
    ("S91-00000002", "not_enrolled"),
    ("S91-00000003", "excluded_I4"),
    ("S91-00000004", "reference_contradicted"),
    ("S91-00000005", "not_enrolled"),
    ("S91-00000006", "consent_unknown"),
    ("S92-00000007", "window_truncated"),
]
PLACES = {
    reading: [Place(person, person[:3], leaf) for person, leaf in PEOPLE]
    for reading in ("literal", "combined_exam")
}


def test_the_flow_closes_in_each_site_stratum_month_and_reading() -> None:
    rows = count_flow(PLACES, ROWS)
    cells: dict[tuple[str, ...], dict[str, int]] = {}
    for one in rows:
        cell = (one.reading, one.site_code, one.ascertainment, one.month)
        cells.setdefault(cell, {})[one.node_id] = one.n
    parents = {one.node_id: one.parent_id for one in rows}
    for nodes in cells.values():
        for node, n in nodes.items():
            parts = [m for child, m in nodes.items() if parents[child] == node]
            assert not parts or sum(parts) == n
    assert sum(nodes["screened"] for nodes in cells.values()) == 2 * len(PEOPLE)


def test_the_flow_has_the_months_and_strata_of_the_accrual() -> None:
    screened_in = {
        (one.site_code, one.ascertainment, one.month): one.n
        for one in count_flow(PLACES, ROWS)
        if (one.reading, one.node_id) == ("literal", "screened")
    }
    people: dict[tuple[str, str, str], int] = {}
    for one in count_accrual(ROWS):
        key = (one.site_code, one.ascertainment, one.month)
        people[key] = people.get(key, 0) + one.n
    assert screened_in == people
