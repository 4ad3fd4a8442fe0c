"""The code of a lesion's evidence changes with that evidence and with nothing else."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from schemas.clinical_rows import ClinicalRow, Missing
from schemas.identifiers import BatchId, Sha256
from schemas.partial_dates import PartialDate
from tasks.reference.adjudication import evidence_digest
from tests.unit.eligibility.cohort import row

LESION = row("diagnosis")
RECORDS = [LESION, row("pathology"), row("follow_up", lesion_no=1), row("treatment")]


def code(*rows: ClinicalRow) -> str:
    return evidence_digest(LESION, rows)


@pytest.mark.parametrize(
    "more",
    [
        row("pathology", specimen_no=2, diagnosis_code="FNH"),
        row("pathology", specimen_no=2, lesion_no=Missing.NOT_ENTERED),
        row("pathology", specimen_no=2, lesion_no=2, procedure="transplant"),
        row("follow_up", followup_no=2, lesion_no=Missing.NOT_ENTERED),
        row("treatment", treatment_no=1, prior_treatment="yes", target="other_liver"),
    ],
)
def test_a_record_that_bears_on_the_lesion_changes_it(more: ClinicalRow) -> None:
    assert code(*RECORDS, more) != code(*RECORDS)


def test_a_corrected_day_changes_it() -> None:
    later = row("pathology", specimen_date=PartialDate(2025, 3, 21))
    assert code(LESION, later) != code(LESION, row("pathology"))


@pytest.mark.parametrize(
    "more",
    [
        row("diagnosis", lesion_no=2),
        row("pathology", specimen_no=2, lesion_no=2, procedure="biopsy"),
        row("follow_up", followup_no=2, lesion_no=2),
        row("demographics"),
        row("adjudication"),
        row("image_quality"),
    ],
)
def test_what_does_not_bear_on_the_lesion_leaves_it(more: ClinicalRow) -> None:
    assert code(*RECORDS, more) == code(*reversed(RECORDS))


def test_a_second_lesion_changes_it_when_a_specimen_names_none() -> None:
    unnamed = row("pathology", lesion_no=Missing.NOT_ENTERED)
    assert code(LESION, unnamed) != code(LESION, unnamed, row("diagnosis", lesion_no=2))


def test_the_same_row_in_a_later_export_leaves_it() -> None:
    again = [
        replace(one, export_as_of=dt.date(2027, 1, 1), batch_id=BatchId("b2"),
                source_sha256=Sha256("f" * 64))
        for one in RECORDS
    ]  # fmt: skip
    assert code(*again) == code(*RECORDS)


def test_it_comes_from_keyed_digests_and_not_from_values() -> None:
    other_key = [replace(one, content_digest=Sha256("e" * 64)) for one in RECORDS]
    assert code(*other_key) != code(*RECORDS)
