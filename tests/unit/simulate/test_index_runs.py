"""Simulated runs and reader sessions: what is planted is what is found, in a large cohort."""

from __future__ import annotations

import csv
from io import StringIO

import pytest

from tasks.simulate.outcomes.index_runs import (
    Target,
    Truth,
    lesion_places,
    propose_roles,
    run_files,
)
from tasks.simulate.outcomes.reader_sessions import ReaderTruth, session_files

PEOPLE = [
    Target(
        f"S91-{n:08d}", n % 2 == 0, ((f"L{n}a", n % 2 == 0), (f"L{n}b", n % 2 == 0)), (("v", "s"),)
    )
    for n in range(2000)
]


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(data.decode())))


def test_calls_are_right_as_often_as_planted() -> None:
    truth = Truth(failed=0.0, indeterminate=0.0)
    files = run_files(PEOPLE, lesion_places(PEOPLE, 3), truth, "1.0.0", 3, "2026-02-02T08:00:00")
    malignant = {one.subject_id: one.malignant for one in PEOPLE}
    calls = {row["subject_id"]: row["patient_call"] for row in rows(files["patients.csv"])}
    sensitivity = sum(calls[k] == "positive" for k, m in malignant.items() if m) / 1000
    specificity = sum(calls[k] == "negative" for k, m in malignant.items() if not m) / 1000
    assert sensitivity == pytest.approx(truth.sensitivity, abs=0.04)
    assert specificity == pytest.approx(truth.specificity, abs=0.04)


def test_the_same_seed_gives_the_same_bytes_and_another_others() -> None:
    places = lesion_places(PEOPLE[:20], 3)
    one, two, other = (
        run_files(PEOPLE[:20], places, Truth(), "1.0.0", seed, "2026-02-02T08:00:00")
        for seed in (3, 3, 4)
    )
    assert one == two
    assert one["patients.csv"] != other["patients.csv"]


def test_readers_take_the_planted_share_of_the_time_with_the_aid() -> None:
    truth = ReaderTruth(readers=2, carry_over=1.0, learning_per_case=0.0)
    places = lesion_places(PEOPLE[:300], 3)
    reads = rows(session_files(PEOPLE[:300], places, truth, "1.0.0", 3, None)["reads.csv"])
    assert len(reads) == 2 * 2 * 300

    def median(arm: str) -> float:
        from datetime import datetime

        values = sorted(
            (datetime.fromisoformat(r["ended"]) - datetime.fromisoformat(r["started"])).seconds - 30
            for r in reads
            if r["arm"] == arm
        )
        return values[len(values) // 2]

    assert median("ai_aided") / median("unaided") == pytest.approx(truth.time_ratio, abs=0.03)


def test_nobody_validates_phase_1_who_may_not() -> None:
    people = [
        {"subject_id": "a", "ascertainment": "prospective", "prior_training_exposure": "unknown"},
        {"subject_id": "b", "ascertainment": "retrospective", "prior_training_exposure": "no"},
        {"subject_id": "c", "ascertainment": "prospective", "prior_training_exposure": "no"},
    ]
    roles = propose_roles([{**one, "analysis_role": "not_assigned"} for one in people])
    assert roles == {
        "a": "phase2_validation",
        "b": "phase2_validation",
        "c": "phase1_validation",
    }
