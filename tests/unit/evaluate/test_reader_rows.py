"""Readers beside a system that was asked about other cases, or released people who do not count."""

from __future__ import annotations

import datetime as dt

import pytest

from tasks.evaluate.cohort import Subject
from tasks.evaluate.matching import Method, Rule
from tasks.evaluate.patients import Result
from tasks.evaluate.reader_files import UNAIDED, Read
from tasks.evaluate.reader_rows import reader_estimates
from tasks.evaluate.rows import Row
from tasks.evaluate.rules import Decided, MatchingRules
from tasks.evaluate.run_files import PatientRow

DECIDED = Decided(
    MatchingRules("centroid_1", Rule(Method.CENTROID, 1.0), decided=False, others={}),
    misdiagnosis="1 - specificity",
    plan_signed=False,
)


def subject(key: str, status: str = "eligible") -> Subject:
    return Subject(
        subject_id=key,
        site="S91",
        ascertainment="prospective",
        role="phase1_validation",
        reference="malignant",
        partially_verified=False,
        status={"literal": status, "combined_exam": status},
        unverified_only={"literal": True, "combined_exam": True},
        maker="SIEMENS",
        field="3 T",
        lesions=(),
    )


def read(line: int, key: str, minutes: float, call: str = "positive") -> Read:
    start = dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)
    return Read(
        line=line,
        reader="R01",
        subject_id=key,
        session="s1",
        arm=UNAIDED,
        position=line,
        started=start,
        ended=start + dt.timedelta(minutes=minutes),
        minutes=minutes,
        call=call,
        score=None,
        blinded=True,
        zoned=True,
    )


def found(rows: list[Row], **where: str) -> Row:
    (row,) = [r for r in rows if all(r[k] == v for k, v in where.items())]
    return row


def test_a_case_the_system_was_not_asked_about_is_not_its_mistake() -> None:
    """The run has rows of two of three cases and is right in both, as is the reader."""
    people = {key: subject(key) for key in ("a", "b", "c")}
    index = {
        key: Result(people[key], PatientRow(2, key, "ok", 0.9, "positive", 1.0)) for key in "ab"
    }
    reads = [read(n, key, 5.0) for n, key in enumerate(people, 2)]
    rows = list(reader_estimates(reads, people, index, DECIDED))
    beside = found(rows, arm="ai - unaided", measure="sensitivity", reading="literal")
    assert (beside["estimate"], beside["n_clusters"]) == (0.0, 2)
    alone = found(
        rows,
        arm="unaided",
        measure="sensitivity",
        reading="literal",
        analysis="main",
        method="wilson",
    )
    assert (alone["numerator"], alone["denominator"]) == (3, 3)


def test_reading_time_is_that_of_the_eligible() -> None:
    people = {"a": subject("a"), "b": subject("b"), "x": subject("x", "ineligible")}
    reads = [read(2, "a", 4.0), read(3, "b", 6.0), read(4, "x", 60.0)]
    rows = list(reader_estimates(reads, people, {}, DECIDED))
    row = found(rows, measure="reading_minutes", reader_id="R01")
    assert row["estimate"] == pytest.approx(5.0)
    assert row["n_clusters"] == 2
