"""Who is compared with the source documents: by risk, by seed, and by nobody's choice."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.partial_dates import PartialDate
from schemas.source_verification import Risk, load_fields, load_risks
from schemas.verification_counts import FieldCounts
from tasks.verification.plan import items_of, risk_of, sample
from tests.unit.eligibility.cohort import SUBJECT, plain_rows, row

RISKS = {one.name: one for one in load_risks()}
SUBJECTS = st.sets(st.integers(0, 9999).map("S91-{:04}".format), min_size=1, max_size=60)


def rank(subject: str) -> bytes:
    return hashlib.sha256(subject.encode()).digest()


def found(differed: int, compared: int) -> list[FieldCounts]:
    return [FieldCounts("S91", "diagnosis", "reference_class", True, 1, compared, differed, 0)]


@pytest.mark.parametrize(
    ("counts", "conflicts", "expected"),
    [
        ([], 0.0, "unverified"),
        ([], 29.9, "unverified"),
        ([], 30.0, "high"),
        (found(0, 100), 0.0, "low"),
        (found(1, 100), 0.0, "medium"),
        (found(4, 100), 0.0, "medium"),
        (found(5, 100), 0.0, "high"),
        (found(0, 100), 10.0, "medium"),
        (found(0, 100), 30.0, "high"),
    ],
)
def test_a_site_is_at_the_highest_risk_it_reaches(
    counts: list[FieldCounts], conflicts: float, expected: str
) -> None:
    assert risk_of(counts, conflicts, load_risks()).name == expected


def test_errors_in_fields_that_decide_nothing_raise_no_risk() -> None:
    counts = [FieldCounts("S91", "diagnosis", "segment", False, 1, 10, 9, 0), *found(0, 100)]
    assert risk_of(counts, 0.0, load_risks()).name == "low"


@given(SUBJECTS)
def test_a_sample_is_the_share_rounded_up_and_at_least_its_least(subjects: set[str]) -> None:
    chosen = sample(subjects, Risk("low", 10.0, 2, 0.0, 0.0), rank)
    assert len(chosen) == min(len(subjects), max(2, -(-len(subjects) // 10)))
    assert set(chosen) <= subjects


@given(SUBJECTS, st.integers(10_000, 99_999))
def test_a_subject_more_takes_at_most_one_place(subjects: set[str], number: int) -> None:
    risk = RISKS["high"]
    before, after = (
        set(sample(some, risk, rank)) for some in (subjects, subjects | {f"S91-{number}"})
    )
    assert len(before - after) <= 1


def test_values_are_listed_with_their_row_as_the_site_entered_them() -> None:
    rows = [
        *(one for one in plain_rows() if one.form != "pathology"),
        row("pathology", specimen_no=2, specimen_date=PartialDate(2025, 4), report_date="UK"),
    ]
    items = items_of(rows, [SUBJECT], load_fields())
    by_field = {(one.form, one.field_name): one for one in items}
    assert by_field["pathology", "specimen_date"].entered == "2025-04"
    assert by_field["pathology", "specimen_date"].critical
    assert not by_field["diagnosis", "segment"].critical
    assert ("screening_log", "screened_on") not in by_field
    assert items_of(rows, [], load_fields()) == []
