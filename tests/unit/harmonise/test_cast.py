"""Exams written from the literature: no label of them is wrong, no other image fills a slot."""

from __future__ import annotations

from functools import cache

import pytest

from schemas.records import SeriesLabel
from tasks.harmonise.exam import label_instances
from tasks.harmonise.vocabulary import UNCLASSIFIED, read_labels
from tests.unit.harmonise.cast import CASTS, Part, exams_of, read_cast

EXAMS = [f"{file}: {exam}" for file in CASTS for exam in exams_of(file)]
#: Written before the rules saw them: what is decidable there and still left open, by exam.
LEFT_OPEN = {
    "cast_from_literature.csv: Siemens 3 T with gadoterate": {"t1_vibe_fs_cor_bh_5min"},
}
SLOTS = {"CT_NC"} | {
    name for name, label in read_labels().items() if label.required_in or label.thickness_limit_mm
}


@cache
def labelled(exam: str) -> tuple[list[Part], dict[str, SeriesLabel]]:
    """Return the parts of an exam, and what the rules make of each series."""
    file, _, name = exam.partition(": ")
    parts = read_cast(file)[name]
    labels = label_instances([m for part in parts for m in part.instances])
    return parts, {row.series_uid: row for row in labels.series}


@pytest.mark.parametrize("exam", EXAMS)
def test_every_series_of_the_cast_gets_a_label_that_is_right(exam: str) -> None:
    (parts, rows), left_open = labelled(exam), LEFT_OPEN.get(exam, set())
    told = [
        f"{part.name}: {rows[uid].label} {rows[uid].label_tier} {rows[uid].label_evidence}"
        for part in parts
        for uid in _uids(part)
        if rows[uid].label not in part.right
        and not (rows[uid].label == UNCLASSIFIED and part.name in left_open)
    ]
    assert not told, "\n".join(told)


@pytest.mark.parametrize("exam", EXAMS)
def test_only_originals_of_a_body_kernel_and_a_whole_spectrum_fill_a_slot(exam: str) -> None:
    parts, rows = labelled(exam)
    for part in parts:
        for uid in _uids(part):
            if part.fills_slot is not None:
                may = rows[uid].is_diagnostic and rows[uid].label in SLOTS
                assert may == part.fills_slot, part.name


def _uids(part: Part) -> list[str]:
    return sorted({m.series_uid or "" for m in part.instances})
