"""Rows for the warehouse: pseudonyms, shifted dates, codes and numbers; nothing else."""

from __future__ import annotations

import datetime as dt

import pytest

from schemas.identifiers import SubjectNo
from schemas.vault.keys import KeyRing
from tasks.clinical.form_contracts import read_form_contracts
from tasks.clinical.pseudonymise import arrow_schema_of, tables_for_batch
from tests.unit.clinical.forms import ROWS, SITE, form_row, intake_of, read_rows


def table(ring: KeyRing, form: str, **changes: str) -> dict[str, object]:
    rows, _ = read_rows(form, form_row(form, **changes))
    (row,) = tables_for_batch(intake_of(rows), ring, SITE)[form]
    return dict(row)


def test_dates_move_back_by_the_shift_of_the_person(ring: KeyRing) -> None:
    row = table(ring, "pathology")
    shift = dt.timedelta(days=ring.date_shift_days(SITE, SubjectNo("LC-0001")))
    assert row["specimen_date_shifted"] == dt.date(2025, 3, 20) - shift
    assert row["report_date_shifted"] == dt.date(2025, 3, 26) - shift


def test_a_partial_date_leaves_as_precision_only(ring: KeyRing) -> None:
    row = table(ring, "pathology", specimen_date="2025-03")
    assert row["specimen_date_shifted"] is None
    assert row["specimen_date_precision"] == "month"


@pytest.mark.parametrize("form", sorted(ROWS))
def test_no_subject_number_text_or_real_date_leaves(form: str, ring: KeyRing) -> None:
    rows, _ = read_rows(form, form_row(form))
    told = repr(tables_for_batch(intake_of(rows), ring, SITE)).replace("datetime.date", "")
    for secret in ("LC-0001", "SCR-001", "ICF-1", "镜下", "2025, 3", "2025-03", "1966", "R01"):
        assert secret not in told


def test_the_birth_date_stays_sealed(ring: KeyRing) -> None:
    assert not [name for name in table(ring, "demographics") if name.startswith("birth")]


def test_the_kinds_of_missing_are_listed_apart(ring: KeyRing) -> None:
    row = table(
        ring, "pathology", specimen_date="UK", report_date="ND", procedure="NA", verbatim=""
    )
    assert row["missing"] == [
        "procedure=NA",
        "report_date=ND",
        "specimen_date=UK",
        "verbatim=blank",
    ]


def test_a_person_never_enrolled_has_a_shift_of_their_own(ring: KeyRing) -> None:
    row = table(ring, "screening_log", enrolled="no", subject_no="NA")
    shift = dt.timedelta(days=ring.date_shift_days(SITE, SubjectNo("screening/SCR-001")))
    assert row["screened_on_shifted"] == dt.date(2025, 3, 2) - shift


@pytest.mark.parametrize("form", sorted(read_form_contracts()))
def test_the_columns_of_a_table_are_those_of_its_rows(form: str, ring: KeyRing) -> None:
    assert arrow_schema_of(form).names == list(table(ring, form))
