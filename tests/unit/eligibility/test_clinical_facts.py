"""Facts from forms: no record is never "no", competing records never average out."""

from __future__ import annotations

import pytest

from schemas.clinical_rows import Cell, ClinicalRow, Missing
from schemas.partial_dates import PartialDate
from schemas.protocol import choices_of
from tasks.eligibility.clinical_facts import (
    diagnosis_facts,
    follow_up_facts,
    inflammation_facts,
    pathology_facts,
    quality_facts,
    treatment_facts,
)
from tests.unit.eligibility.cohort import CT, record, row

BASELINE = PartialDate.of(CT)

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


def test_pathology_confirmed_absent_is_none_and_no_row_is_no_fact() -> None:
    confirmed = row("pathology", specimen_no=0, pathology_done="no")
    assert pathology_facts(record([confirmed])) == [{"path": "none"}]
    assert pathology_facts(record([row("demographics")])) == [{}]


def test_the_last_follow_up_image_counts() -> None:
    rows = [
        row("follow_up", followup_no=1, image_date=PartialDate(2025, 5)),
        row("follow_up", followup_no=2, image_date=PartialDate(2025, 6, 20)),
    ]
    assert follow_up_facts(record(rows), BASELINE)["fu"] == "2025-06-20"


@pytest.mark.parametrize(
    ("status", "closed"),
    [("open", False), ("complete", True), ("lost", True), ("died", True), ("treated", False)],
)
def test_the_last_contact_says_whether_an_image_can_still_come(status: str, closed: bool) -> None:
    rows = [
        row("follow_up", followup_no=1, followup_status="lost"),
        row("follow_up", followup_no=2, image_done="no", followup_status=status),
    ]
    assert follow_up_facts(record(rows), BASELINE)["fu_closed"] is closed


def test_a_contact_without_an_image_is_not_an_image() -> None:
    contact = row("follow_up", image_done="no", followup_status="open")
    assert follow_up_facts(record([contact]), BASELINE) == {"fu_closed": False}


@pytest.mark.parametrize(
    ("start", "between"),
    [
        (PartialDate(2025, 3, 5), False),
        (PartialDate(2025, 3, 20), True),
        (PartialDate(2025), True),
        (PartialDate(2025, 7, 1), False),
    ],
)
def test_treatment_between_ct_and_follow_up_image_is_told(
    start: PartialDate, between: bool
) -> None:
    rows = [row("follow_up"), treated(1, start_date=start)]
    assert follow_up_facts(record(rows), BASELINE)["fu_treated"] is between


def test_a_pending_diagnosis_is_not_recorded() -> None:
    pending = row("diagnosis", reference_class="pending", reference_route="none")
    assert diagnosis_facts(record([pending])) == [{"dx": None, "route": None}]
    assert diagnosis_facts(record([row("demographics")])) == [{}]


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
