"""Readings: each alternative changes what it is about, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import BadInputError, ContractError
from schemas.package_data import data_contracts_dir
from schemas.states import Effect
from tasks.eligibility.evaluate import evaluate_facts
from tasks.eligibility.protocol import (
    choices_of,
    options_in_force,
    parse_decisions,
    read_decisions,
    read_protocol,
)
from tasks.eligibility.readings import evaluate_subject
from tests.unit.eligibility.cohort import plain_images, plain_rows, record

MRI = {"ct": "2025-03-06", "dce": "2025-03-08", "eob": "2025-03-10", "field_t": 3.0}
THIN = {"t1_mm": [3.0, 4.0], "t2_mm": [5.0]}
I5 = {"mri": "2025-03-08", "mri_later": "2025-03-20"}
REGISTER = data_contracts_dir() / "protocol" / "decisions.csv"


@pytest.mark.parametrize(
    ("reading", "criterion", "facts", "literal", "alternative"),
    [
        (
            "age_at_consent",
            "I1",
            {"birth": "2007-03-10", "ct": "2025-03-06", "consent": "2025-03-11"},
            "fail",
            "pass",
        ),
        ("age_at_consent", "I1", {"birth": "1966", "ct": "2025-03-06"}, "pass", "undetermined"),
        ("any_detection", "I2", {"detected_by": "MRI"}, "fail", "pass"),
        ("mri_after_ct", "I4", MRI | THIN | {"dce": "2025-03-05"}, "pass", "fail"),
        ("mri_after_ct", "I4", MRI | THIN | {"dce": "2025-03-06"}, "pass", "pass"),
        ("any_t1", "I4", MRI | THIN | {"t1_mm": [3.0, 6.0]}, "fail", "pass"),
        ("any_t1", "I4", MRI | THIN | {"t1_mm": [6.0, None]}, "fail", "undetermined"),
        ("any_t1", "I4", MRI | THIN | {"t1_mm": [6.0, 7.0]}, "fail", "fail"),
        ("all_t2", "I4", MRI | THIN | {"t2_mm": [5.0, 40.0]}, "pass", "fail"),
        ("all_t2", "I4", MRI | THIN | {"t2_mm": [5.0, 8.0]}, "pass", "pass"),
        ("all_t2", "I4", MRI | THIN | {"t2_mm": [5.0, None]}, "pass", "undetermined"),
        (
            "pathology_either_way",
            "I5",
            I5 | {"path_specimen": "2025-02-06", "fu": "none"},
            "fail",
            "pass",
        ),
        (
            "pathology_either_way",
            "I5",
            I5 | {"path_specimen": "2025-02-05", "fu": "none"},
            "fail",
            "fail",
        ),
        ("later_mri", "I5", I5 | {"path_specimen": "2025-04-19", "fu": "none"}, "fail", "pass"),
        ("later_mri", "I5", I5 | {"path_specimen": "2025-03-19", "fu": "none"}, "pass", "fail"),
        (
            "report_date",
            "I5",
            I5 | {"path_specimen": "2025-04-01", "path_report": "2025-04-08", "fu": "none"},
            "pass",
            "fail",
        ),
        (
            "report_date",
            "I5",
            I5 | {"path_specimen": "2025-04-01", "fu": "none"},
            "pass",
            "undetermined",
        ),
        (
            "follow_up_90_days",
            "I5",
            I5 | {"path": "none", "fu": "2025-06-06", "fu_closed": True},
            "fail",
            "pass",
        ),
        (
            "follow_up_90_days",
            "I5",
            I5 | {"path": "none", "fu": "2025-06-05", "fu_closed": True},
            "fail",
            "fail",
        ),
        (
            "follow_up_84_days",
            "I5",
            I5 | {"path": "none", "fu": "2025-05-31", "fu_closed": True},
            "fail",
            "pass",
        ),
        (
            "follow_up_84_days",
            "I5",
            I5 | {"path": "none", "fu": "2025-05-30", "fu_closed": True},
            "fail",
            "fail",
        ),
        (
            "truncation_fails",
            "I5",
            {"mri": "2028-12-15", "path": "none", "fu": "2028-12-30", "fu_closed": True},
            "undetermined",
            "fail",
        ),
        (
            "treated_before_mri",
            "E1",
            {
                "prior_tx": "yes",
                "prior_tx_date": "2025-03-07",
                "ct": "2025-03-06",
                "mri": "2025-03-08",
            },
            "pass",
            "fail",
        ),
        (
            "treated_before_consent",
            "E1",
            {"prior_tx": "yes", "prior_tx_date": "2025-03-07", "ct": "2025-03-06"},
            "pass",
            "undetermined",
        ),
        ("benign_follow_up_only", "E3", {"dx": "benign", "route": "pathology"}, "pass", "fail"),
        ("benign_follow_up_only", "E3", {"dx": "malignant", "route": "pathology"}, "pass", "pass"),
        ("no_tolerance", "I4", MRI | THIN | {"field_t": 1.494}, "pass", "fail"),
        ("no_tolerance", "I4", MRI | THIN | {"t1_mm": [5.04]}, "pass", "fail"),
    ],
)
def test_an_alternative_decides_as_it_says(
    reading: str, criterion: str, facts: dict[str, object], literal: str, alternative: str
) -> None:
    assert evaluate_facts(criterion, facts).effect == Effect(literal)
    result = evaluate_facts(criterion, facts, reading)
    assert result.effect == Effect(alternative)
    assert result.reading == reading
    assert bool(result.missing_evidence) == (alternative == "undetermined")


def test_every_option_that_is_not_the_proposal_has_a_reading() -> None:
    protocol = read_protocol()
    proposed = set(protocol.proposals.items())
    read = {pair for reading in protocol.readings for pair in reading.choices.items()}
    assert {(o.decision, o.id) for o in protocol.options} - proposed == read


def test_every_option_is_worded_as_in_the_register() -> None:
    register = {decision.decision_id: decision for decision in read_decisions()}
    for option in read_protocol().options:
        decision = register[option.decision]
        assert option.text in (decision.option_chosen, *decision.alternatives.split("; ")), option


def test_every_reading_is_decided_and_touches_its_own_criterion_only() -> None:
    subject = record(plain_rows(), plain_images())
    by_reading = evaluate_subject(subject)
    assert list(by_reading) == [reading.id for reading in read_protocol().readings]
    for reading in read_protocol().readings:
        results = by_reading[reading.id]
        assert {result.reading for result in results.values()} == {reading.id}
        for criterion, result in results.items():
            if not set(reading.choices) & set(result.decision_ids):
                assert result.effect == by_reading["literal"][criterion].effect


def test_an_unknown_reading_is_refused() -> None:
    with pytest.raises(BadInputError, match="no such reading"):
        choices_of("liberal")


def signed(tmp_path: Path, old: str, new: str) -> Path:
    text = REGISTER.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "decisions.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_a_signed_decision_puts_its_option_in_force(tmp_path: Path) -> None:
    path = signed(
        tmp_path,
        "?,two-sided,MRI after CT only,,,,",
        "?,MRI after CT only,two-sided,PI,2026-12-01,minutes 7,",
    )
    in_force = options_in_force(read_protocol(), parse_decisions(path))
    assert in_force["D06"] == "after_ct"
    assert in_force | {"D06": "two_sided"} == read_protocol().proposals


@pytest.mark.parametrize(
    ("signature", "complaint"), [(",,,,", "D06"), (",PI,2026-12-01,minutes 7,", "D06")]
)
def test_an_option_nobody_can_compute_is_refused_signed_or_not(
    tmp_path: Path, signature: str, complaint: str
) -> None:
    path = signed(
        tmp_path,
        "?,two-sided,MRI after CT only,,,,",
        f"?,MRI on the same day,two-sided{signature}",
    )
    with pytest.raises(ContractError, match=complaint):
        options_in_force(read_protocol(), parse_decisions(path))


def test_an_unsigned_decision_runs_with_its_proposal_only(tmp_path: Path) -> None:
    path = signed(
        tmp_path, "?,two-sided,MRI after CT only,,,,", "?,MRI after CT only,two-sided,,,,"
    )
    with pytest.raises(ContractError, match="the proposal"):
        options_in_force(read_protocol(), parse_decisions(path))
