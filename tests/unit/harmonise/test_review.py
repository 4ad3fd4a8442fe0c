"""The review queue: one row for each pattern; what comes back is possible, or nothing counts."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.errors import BadInputError
from schemas.run.zones import Zones
from tasks.harmonise.exam import label_instances
from tasks.harmonise.overrides import Key, Override
from tasks.harmonise.review import QUEUE_COLUMNS, read_decisions, review_queue
from tasks.harmonise.store import read_queue
from tasks.harmonise.store_rules import add_overrides, read_overrides
from tests.unit.harmonise.exams import series

TODAY = date(2026, 11, 23)
FILLED = {"decision": "MR_T1_PVP", "author": "li", "date": "2026-11-20", "reason": "seen"}


def exam() -> list[InstanceFeatures]:
    """Return two series that nobody can label, and a named one."""
    return [
        *series(1, "t1_vibe_fs_tra", at_s=25),
        *series(2, "t1_vibe_fs_tra", at_s=400),
        *series(3, "t1_vibe_fs_tra_pre", at_s=-90),
    ]


def known(parts: list[InstanceFeatures]) -> dict[Key, str | None]:
    rows = label_instances(parts).series
    return {(r.series_uid, r.sub_stack_digest): r.modality for r in rows}


def queue() -> list[dict[str, str]]:
    rows = review_queue(label_instances(exam()).series, exam())
    return [{name: str(value) for name, value in row.items()} for row in rows]


def take_in(
    tmp_path: Path, rows: list[dict[str, str]], standing: dict[Key, Override] | None = None
) -> list[Override]:
    """Write the rows as a person would save them, and read the decisions."""
    path = tmp_path / "queue.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, QUEUE_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    read = read_queue(path)
    return read_decisions(
        read, path.name, known=known(exam()), standing=standing or {}, today=TODAY
    )


def test_a_filled_queue_comes_back_as_one_decision_for_each_sub_stack(tmp_path: Path) -> None:
    [row] = queue()
    decisions = take_in(tmp_path, [row | FILLED])
    assert len(decisions) == int(row["n_series"]) == 2
    zones = Zones(tmp_path)
    assert add_overrides(zones, decisions) == 2
    labels = label_instances(exam(), read_overrides(zones)).series
    assert sum(label.label == "MR_T1_PVP" for label in labels) == 2


def test_an_undecided_row_decides_nothing(tmp_path: Path) -> None:
    assert take_in(tmp_path, queue()) == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"decision": "CT_ART"}, "CT_ART for a series of MR in queue.csv:3 (expected: a label of"),
        ({"decision": "MR_T1_XX"}, "a label that does not exist"),
        ({"date": "2026-11-24"}, "date 2026-11-24 in queue.csv:3 (expected: 2026-11-23 or"),
        ({"date": "20.11.2026"}, "no date"),
        ({"author": ""}, "no author"),
        ({"reason": ""}, "no date or no reason"),
        ({"sub_stacks": ""}, "about no sub-stack"),
        ({"sub_stacks": "1.2.3.9/0123456789abcdef"}, "a sub-stack that is not there"),
        ({"sub_stacks": "t1 vibe"}, "no series UID"),
    ],
)
def test_an_impossible_decision_is_refused_by_file_line_and_reason(
    tmp_path: Path, changed: dict[str, str], reason: str
) -> None:
    [row] = queue()
    with pytest.raises(BadInputError) as caught:
        take_in(tmp_path, [row, row | FILLED | changed])
    assert reason in caught.value.message
    assert "queue.csv:3" in caught.value.message


def test_every_refused_row_is_named_and_the_good_ones_do_not_count(tmp_path: Path) -> None:
    [row] = queue()
    good = row | FILLED
    with pytest.raises(BadInputError) as caught:
        take_in(tmp_path, [good | {"decision": "CT_ART"}, good, good | {"date": "2027-01-01"}])
    message = caught.value.message
    assert message.startswith("no decision was taken in")
    assert ("queue.csv:2" in message, "queue.csv:3" in message) == (True, False)
    assert "queue.csv:4" in message


def test_two_rows_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    [row] = queue()
    with pytest.raises(BadInputError, match=r"line 2 calls MR_T1_PVP in queue\.csv:3"):
        take_in(tmp_path, [row | FILLED, row | FILLED | {"decision": "MR_T1_ART"}])


def test_the_same_decision_twice_is_one(tmp_path: Path) -> None:
    [row] = queue()
    assert len(take_in(tmp_path, [row | FILLED, row | FILLED])) == 2


def test_an_old_queue_does_not_undo_a_later_decision(tmp_path: Path) -> None:
    [row] = queue()
    later = {
        decision.key: decision
        for decision in take_in(tmp_path, [row | FILLED | {"date": "2026-11-22"}])
    }
    with pytest.raises(BadInputError, match="decided on 2026-11-22"):
        take_in(tmp_path, [row | FILLED], later)


def test_a_reason_over_two_lines_is_read_and_the_next_row_keeps_its_line(tmp_path: Path) -> None:
    [row] = queue()
    two_lines = row | FILLED | {"reason": "seen\nby two"}
    with pytest.raises(BadInputError, match=r"CT_ART for a series of MR in queue\.csv:4"):
        take_in(tmp_path, [two_lines, row | FILLED | {"decision": "CT_ART"}])
