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
    write_accrual(Zones(tmp_path), rows)
    folder = Zones(tmp_path).restricted / "accrual"
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "00000001" not in path.read_text(encoding="utf-8")
    ElementTree.fromstring((folder / "cumulative.svg").read_text(encoding="utf-8"))
    with (folder / "accrual.csv").open(encoding="utf-8") as stream:
        assert sum(int(line["n"]) for line in csv.DictReader(stream)) == (7 if rows else 0)
