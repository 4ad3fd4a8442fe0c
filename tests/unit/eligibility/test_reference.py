"""The reference standard: per lesion with its route and flags, per subject as malignant wins."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.clinical_rows import Cell, ClinicalRow
from schemas.partial_dates import PartialDate
from tasks.eligibility.imaging_facts import find_baseline_exams
from tasks.eligibility.reference import (
    is_partially_verified,
    patient_reference,
    patient_route,
    reference_flags,
)
from tests.unit.eligibility.cohort import plain_images, record, row

BENIGN: dict[str, Any] = {"reference_class": "FNH", "reference_route": "followup"}
SPECIMEN = row("pathology")


def lesion(number: int = 1, **changes: Cell) -> ClinicalRow:
    return row("diagnosis", lesion_no=number, **changes)


def flags(one: ClinicalRow, *others: ClinicalRow) -> list[str]:
    subject = record([row("demographics"), one, *others], plain_images())
    return reference_flags(subject, one, find_baseline_exams(subject))


@pytest.mark.parametrize(
    ("one", "others", "expected"),
    [
        (lesion(), [SPECIMEN], []),
        (lesion(), [], ["no_record_of_route"]),
        (lesion(), [row("pathology", lesion_no=2)], ["no_record_of_route"]),
        (lesion(), [row("pathology", specimen_date=PartialDate(2025, 4, 8))], ["late_pathology"]),
        (lesion(), [row("pathology", specimen_date=PartialDate(2025, 4, 7))], []),
        (lesion(), [row("pathology", specimen_date=PartialDate(2025, 4))], []),
        (lesion(), [row("pathology", diagnosis_code="FNH")], ["pathology_differs"]),
        (lesion(), [row("pathology", diagnosis_code="ICC")], []),
        (lesion(reference_route="imaging"), [], ["route_not_accepted"]),
        (lesion(reference_class="pending", reference_route="none"), [], []),
        (
            lesion(reference_class="FNH"),
            [row("pathology", diagnosis_code="FNH")],
            ["benign_by_pathology"],
        ),
        (lesion(**BENIGN), [row("follow_up", conclusion="benign_stable")], []),
        (lesion(**BENIGN), [row("follow_up", conclusion="progressed")], ["follow_up_differs"]),
        (lesion(**BENIGN), [], ["no_record_of_route"]),
    ],
)
def test_a_lesion_says_what_its_reference_is_worth(
    one: ClinicalRow, others: list[ClinicalRow], expected: list[str]
) -> None:
    assert flags(one, *others) == expected


@pytest.mark.parametrize(
    ("lesions", "label", "route", "partial"),
    [
        ([lesion()], "malignant", "pathology", False),
        ([lesion(), lesion(2, **BENIGN)], "malignant", "pathology", False),
        ([lesion(), lesion(2, reference_route="imaging")], "malignant", "pathology", True),
        ([lesion(**BENIGN)], "benign", "followup", False),
        ([lesion(**BENIGN), lesion(2, reference_class="pending")], "pending", "none", True),
        ([lesion(reference_route="clinical")], "indeterminate", "none", False),
        ([], "pending", "none", False),
    ],
)
def test_a_subject_is_malignant_by_one_lesion_and_partially_verified_by_another(
    lesions: list[ClinicalRow], label: str, route: str, partial: bool
) -> None:
    subject = record([row("demographics"), *lesions])
    assert patient_reference(subject) == label
    assert patient_route(subject) == route
    assert is_partially_verified(subject) is partial
