"""Rows in force held against each other, the linkage and the images: findings, never mends."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from stdnum.iso7064 import mod_11_2

from schemas.clinical_rows import ClinicalRow
from schemas.identifiers import BatchId, SubjectNo
from schemas.vault.keys import KeyRing
from tasks.clinical.form_rows import FormRows
from tasks.clinical.linkage_checks import check_persons, without_lost_zeros
from tasks.clinical.merge import BatchForms, merge_batches
from tasks.clinical.reconcile import check_rows, check_sexes
from tasks.clinical.residents import check_residents, read_residents
from tests.unit.clinical.forms import SITE, form_row, intake_of, read_rows

Forms = Mapping[str, list[dict[str, str]]]


def in_force(forms: Forms, ring: KeyRing) -> tuple[ClinicalRow, ...]:
    read = [read_rows(form, *rows)[0] for form, rows in forms.items()]
    return merge_batches([BatchForms(SITE, BatchId("b"), intake_of(*read))], ring).rows


def rules(forms: Forms, ring: KeyRing) -> list[tuple[str, str]]:
    return [(found.rule_id, found.column_name) for found in check_rows(in_force(forms, ring))]


PLAIN = {form: [form_row(form)] for form in ("demographics", "screening_log", "diagnosis")}


def test_rows_that_agree_give_no_finding(ring: KeyRing) -> None:
    assert rules(PLAIN | {"pathology": [form_row("pathology")]}, ring) == []


def test_pathology_before_birth_is_a_finding(ring: KeyRing) -> None:
    born = form_row("demographics", birth_date="2006-02")
    early = form_row("pathology", specimen_date="2006-01-31", report_date="2025-03-26")
    forms = PLAIN | {"demographics": [born], "pathology": [early]}
    assert rules(forms, ring) == [("CLIN_BEFORE_BIRTH", "specimen_date")]


def test_a_date_in_the_month_of_birth_is_none(ring: KeyRing) -> None:
    born = form_row("demographics", birth_date="2006-02")
    early = form_row("pathology", specimen_date="2006-02-01", report_date="2025-03-26")
    assert rules(PLAIN | {"demographics": [born], "pathology": [early]}, ring) == []


@pytest.mark.parametrize(
    ("report", "found"), [("2025-03-19", True), ("2025-03", False), ("2025-02", True)]
)
def test_a_report_before_its_specimen_is_out_of_order(
    report: str, found: bool, ring: KeyRing
) -> None:
    row = form_row("pathology", report_date=report)
    expected = [("CLIN_OUT_OF_ORDER", "specimen_date")] if found else []
    assert rules(PLAIN | {"pathology": [row]}, ring) == expected


def test_a_lesion_that_the_diagnosis_form_lacks_is_a_finding(ring: KeyRing) -> None:
    row = form_row("pathology", lesion_no="2")
    assert rules(PLAIN | {"pathology": [row]}, ring) == [("CLIN_LESION_UNKNOWN", "lesion_no")]


def test_an_enrolled_subject_outside_the_screening_log_is_a_finding(ring: KeyRing) -> None:
    other = PLAIN | {"treatment": [form_row("treatment", subject_no="LC-0002")]}
    assert rules(other, ring) == [("CLIN_NOT_SCREENED", "")]


def test_numbers_that_the_screening_log_skips_are_counted(ring: KeyRing) -> None:
    log = [form_row("screening_log", screening_no=f"SCR-{n:03}") for n in (1, 2, 5)]
    findings = check_rows(in_force({"screening_log": log}, ring))
    (finding,) = [f for f in findings if f.rule_id == "CLIN_SCREENING_GAP"]
    assert finding.observed == "2"


def test_no_finding_names_a_subject_number_or_a_date(ring: KeyRing) -> None:
    row = form_row("pathology", specimen_date="1965-01-31", report_date="1964-01-01")
    text = repr(check_rows(in_force(PLAIN | {"pathology": [row]}, ring)))
    assert "LC-0001" not in text
    assert "196" not in text


@pytest.mark.parametrize(("sexes", "found"), [({"M"}, 0), ({"F"}, 1), ({"M", "F"}, 1), (set(), 0)])
def test_images_of_another_sex_are_a_finding(sexes: set[str], found: int, ring: KeyRing) -> None:
    who = ring.subject_id(SITE, SubjectNo("LC-0001"))
    assert len(check_sexes(in_force(PLAIN, ring), {who: sexes})) == found


def resident_no(birth: str, sequence: str) -> str:
    stem = f"310101{birth}{sequence}"
    return stem + mod_11_2.calc_check_digit(stem)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (resident_no("19660215", "001"), []),
        (resident_no("19660315", "001"), ["CLIN_BIRTH_DIFFERS"]),
        (resident_no("19660215", "002"), ["CLIN_SEX_DIFFERS"]),
        ("310101196603150010", []),
        ("", []),
    ],
    ids=["agrees", "another month", "a woman's", "wrong check digit", "none"],
)
def test_a_resident_number_that_says_otherwise_is_a_finding(
    number: str, expected: list[str], ring: KeyRing
) -> None:
    linkage = f"study_subject_no,patient_id,resident_id\nLC-0001,P1,{number}\n".encode()
    form, _ = read_rows("demographics", form_row("demographics"))
    intake = check_residents(intake_of(form), read_residents(linkage), SITE, ring)
    assert [finding.rule_id for finding in intake.findings] == expected
    assert not number or number not in repr(intake.findings)


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b'"a"b', b"x\n", b"\x00"])
def test_a_linkage_that_cannot_be_read_says_nothing(data: bytes) -> None:
    assert read_residents(data) == {}


@pytest.mark.parametrize(
    ("typed", "linked", "used"),
    [
        ("1", "01", False),
        ("LC-12", "LC-0012", False),
        ("01", "01", True),
        ("10", "1", True),
        ("2", "01", True),
    ],
)
def test_a_number_without_the_zeros_of_the_linkage_makes_no_second_person(
    typed: str, linked: str, used: bool
) -> None:
    form, _ = read_rows("treatment", form_row("treatment", subject_no=typed))
    intake = without_lost_zeros(intake_of(form), {SubjectNo(linked)}, SITE)
    assert bool(intake.forms[0].rows) is used
    assert [f.rule_id for f in intake.findings] == ([] if used else ["CLIN_ZEROS_LOST"])


def test_one_person_at_two_sites_is_a_finding_at_both() -> None:
    found = check_persons([("S91-AAAA2222", "S92-BBBB3333")])
    assert [(f.rule_id, f.site_code) for f in found] == [
        ("CLIN_PERSON_TWICE", "S91"),
        ("CLIN_PERSON_TWICE", "S92"),
    ]


def as_read(form: FormRows) -> list[str]:
    return [finding.rule_id for finding in form.findings]


@pytest.mark.parametrize(
    ("day", "rule"),
    [
        ("2025-13-06", "CLIN_DAY_MONTH_EXCHANGED"),
        ("2025/20/3", "CLIN_DAY_MONTH_EXCHANGED"),
        ("2026-12-05", "CLIN_DAY_MONTH_DOUBTFUL"),
        ("2026-12-25", "CLIN_DATE_AFTER_EXPORT"),
        ("2025-02-30", "CLIN_VALUE_UNREADABLE"),
    ],
)
def test_day_and_month_exchanged_are_told_and_never_mended(day: str, rule: str) -> None:
    form, _ = read_rows("treatment", form_row("treatment", start_date=day))
    assert as_read(form) == [rule]
    assert form.rows[0].values["start_date"] == "INVALID"


def test_two_columns_whose_values_fit_each_other_are_told_as_exchanged() -> None:
    rows = [
        form_row("pathology", specimen_no=str(n), specimen_date="resection", procedure="2025-03-20")
        for n in (1, 2)
    ]
    form, _ = read_rows("pathology", *rows)
    assert as_read(form).count("CLIN_COLUMNS_EXCHANGED") == 1
    assert as_read(form).count("CLIN_VALUE_UNREADABLE") == 4


def test_one_slip_is_no_exchange_of_columns() -> None:
    rows = [form_row("pathology", specimen_no=str(n)) for n in (1, 2, 3)]
    rows[0] |= {"specimen_date": "resection", "procedure": "2025-03-20"}
    form, _ = read_rows("pathology", *rows)
    assert "CLIN_COLUMNS_EXCHANGED" not in as_read(form)
