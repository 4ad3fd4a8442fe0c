"""Facts from forms: no record is never "no", competing records never average out."""

from __future__ import annotations

import pytest

from schemas.clinical_rows import Cell, ClinicalRow, Missing
from schemas.partial_dates import PartialDate
from schemas.protocol import choices_of
from tasks.eligibility.clinical_facts import (
    inflammation_facts,
    quality_facts,
    treatment_facts,
)
from tasks.eligibility.evaluate import evaluate_facts
from tests.unit.eligibility.cohort import record, row

LITERAL = choices_of("literal")


def rating(exam: str, value: Cell, rater: str = "R-1", day: int = 1, **more: Cell) -> ClinicalRow:
    rated_on = PartialDate(2025, 4, day)
    return row("image_quality", exam=exam, rating=value, rater_id=rater, rated_on=rated_on, **more)


@pytest.mark.parametrize(
    ("ratings", "decided"),
    [
        ([rating("ct", "adequate"), rating("mri", "limited")], "limited"),
        ([rating("ct", "adequate"), rating("mri", "adequate")], "adequate"),
        ([rating("ct", "adequate")], None),
        ([rating("ct", "inadequate")], "inadequate"),
        ([rating("ct", "adequate"), rating("mri", "inadequate", viewed="mosaic")], None),
        ([rating("ct", "adequate"), rating("mri", Missing.UNKNOWN)], None),
        (
            [
                rating("ct", "adequate"),
                rating("mri", "adequate"),
                rating("mri", "inadequate", "R-2"),
            ],
            None,
        ),
        (
            [
                rating("ct", "adequate"),
                rating("mri", "adequate"),
                rating("mri", "inadequate", "R-2"),
                rating("mri", "adequate", "R-3", adjudication="yes"),
            ],
            "adequate",
        ),
        (
            [
                rating("ct", "adequate"),
                rating("mri", "inadequate", day=1),
                rating("mri", "limited", day=9),
            ],
            "limited",
        ),
    ],
    ids=[
        "both assessable",
        "both adequate",
        "one exam not rated",
        "one exam inadequate decides",
        "a mosaic decides nothing",
        "a rating not known",
        "readers disagree",
        "an adjudication settles it",
        "a reader's newer rating counts",
    ],
)
def test_e2_is_decided_by_people_who_saw_the_full_series(
    ratings: list[ClinicalRow], decided: str | None
) -> None:
    assert quality_facts(record(ratings)).get("iq") == decided


def test_e2_says_that_readers_disagree_and_not_that_nobody_rated() -> None:
    ratings = [
        rating("ct", "adequate"),
        rating("mri", "adequate"),
        rating("mri", "inadequate", "R-2"),
    ]
    assert quality_facts(record(ratings)) == {"iq_disagree": True}
    assert evaluate_facts("E2", {"iq_disagree": True}).reason_code == "READERS_DISAGREE"
    assert evaluate_facts("E2", {}).reason_code == "EVIDENCE_MISSING"


def treated(number: int, **values: Cell) -> ClinicalRow:
    plain: dict[str, Cell] = {"type": "TACE", "target": "this_lesion"}
    return row("treatment", treatment_no=number, prior_treatment="yes", **plain | values)


def test_no_treatment_record_is_no_fact() -> None:
    assert treatment_facts(record([row("demographics")]), LITERAL) == [{}]


def test_a_row_that_says_no_is_a_no() -> None:
    assert treatment_facts(record([row("treatment")]), LITERAL) == [{"prior_tx": "no"}]


def test_each_treatment_of_the_liver_is_a_set_of_facts() -> None:
    rows = [treated(1, start_date=PartialDate(2024)), treated(2, start_date=Missing.UNKNOWN)]
    facts = treatment_facts(record(rows), LITERAL)
    assert [one["prior_tx_date"] for one in facts] == ["2024", None]


def test_extrahepatic_treatment_counts_only_when_it_is_systemic() -> None:
    radiotherapy = treated(1, type="radiotherapy", target="extrahepatic")
    systemic = treated(2, type="systemic", target="extrahepatic")
    assert treatment_facts(record([radiotherapy]), LITERAL) == [{}]
    assert len(treatment_facts(record([radiotherapy, systemic]), LITERAL)) == 1
    assert treatment_facts(record([radiotherapy, systemic]), choices_of("no_systemic")) == [{}]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (["no", "no"], "no"),
        (["no", "yes"], "yes"),
        (["no", Missing.NOT_ENTERED], None),
        ([Missing.UNKNOWN, "yes"], "yes"),
        ([], None),
    ],
)
def test_e4_one_inflammatory_lesion_decides_and_one_not_entered_leaves_it_open(
    answers: list[Cell], told: str | None
) -> None:
    lesions = [row("diagnosis", lesion_no=n, inflammatory=a) for n, a in enumerate(answers, 1)]
    assert inflammation_facts(record([row("demographics"), *lesions])).get("inflammatory") == told


def test_an_inflammatory_diagnosis_says_so_itself() -> None:
    lesion = row("diagnosis", reference_class="inflammatory", inflammatory=Missing.NOT_ENTERED)
    assert inflammation_facts(record([lesion])) == {"inflammatory": "yes"}
