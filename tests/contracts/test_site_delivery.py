"""Every form contract is usable on the day it is added, and carries what eligibility needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ContractError
from schemas.finding_texts import read_finding_texts
from schemas.package_data import data_contracts_dir
from schemas.tables.contracts import read_table_contracts
from tasks.clinical.form_contracts import (
    FORM_NAMES,
    read_conventions,
    read_form_contract,
    read_form_contracts,
)

FOLDER = data_contracts_dir() / "site_delivery"


def test_every_form_is_there() -> None:
    assert tuple(read_form_contracts()) == FORM_NAMES


def test_linkage_is_restricted_and_no_form() -> None:
    linkage = read_form_contract(FOLDER / "linkage.yaml")
    assert linkage.restricted
    assert "linkage" not in read_form_contracts()


@pytest.mark.parametrize("form", FORM_NAMES)
def test_every_field_says_what_it_is_in_both_languages(form: str) -> None:
    for field in read_form_contracts()[form].fields:
        assert field.header.zh
        assert field.header.en
        assert field.description.zh
        assert field.description.en


@pytest.mark.parametrize(
    ("form", "column", "field"),
    [
        ("demographics", "subject.sex", "sex"),
        ("demographics", "subject.detected_by", "detected_by"),
        ("demographics", "subject.consent_status", "consent_status"),
        ("demographics", "subject.ascertainment", "ascertainment"),
        ("screening_log", "screening_log.reason_not_enrolled", "reason_not_enrolled"),
        ("pathology", "pathology.procedure", "procedure"),
        ("pathology", "pathology.diagnosis_code", "diagnosis_code"),
        ("follow_up", "follow_up.modality", "modality"),
        ("follow_up", "follow_up.conclusion", "conclusion"),
        ("follow_up", "follow_up.followup_status", "followup_status"),
        ("treatment", "treatment.type", "type"),
        ("treatment", "treatment.target", "target"),
        ("diagnosis", "lesion.segment", "segment"),
        ("diagnosis", "lesion.reference_class", "reference_class"),
        ("diagnosis", "lesion.lirads_category", "lirads_category"),
        ("image_quality", "image_quality.rating", "rating"),
        ("image_quality", "image_quality.viewed", "viewed"),
        ("image_quality", "image_quality.exam", "exam"),
    ],
)
def test_the_codes_of_a_form_are_those_of_the_published_table(
    form: str, column: str, field: str
) -> None:
    table, name = column.split(".")
    published = read_table_contracts()[table].column(name).allowed_values
    assert published is not None
    codes = {entry.code for entry in read_form_contracts()[form].field(field).codes}
    assert codes == set(published)


def test_a_site_can_enter_every_route_but_adjudication() -> None:
    published = read_table_contracts()["lesion"].column("reference_route").allowed_values
    entered = read_form_contracts()["diagnosis"].field("reference_route").codes
    assert set(published or ()) - {entry.code for entry in entered} == {"adjudication"}
    assert {entry.code for entry in entered} < set(published or ())


def test_an_adjudication_names_a_class_of_the_diagnosis_form() -> None:
    forms = read_form_contracts()
    entered = forms["diagnosis"].field("reference_class").codes
    judged = forms["adjudication"].field("reference_class").codes
    assert {(one.code, one.number) for one in entered if one.code != "pending"} == {
        (one.code, one.number) for one in judged
    }


def test_the_missing_codes_are_four_and_apart() -> None:
    codes = [missing.code for missing in read_conventions().missing_codes]
    assert codes == ["UK", "ND", "NA", ""]


def test_every_finding_says_in_both_languages_what_to_do() -> None:
    texts = read_finding_texts(FOLDER / "findings.yaml")
    for text in texts.values():
        assert text.fix.en.startswith(("Site:", "Data manager:", "QC reviewer:"))
        assert text.fix.zh.startswith(("中心：", "数据管理员：", "质控审阅者："))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (("key: [subject_no, lesion_no]", "key: [subject_no, lesion]"), "key names no field"),
        (("type: decimal", "type: number"), "type"),
        (("aliases: [LI-RADS]", "aliases: [肝段]"), "two fields"),
        (("zh: II段", "zh: I段"), "two codes"),
        (("form: diagnosis", "form: pathology"), "disagree"),
        (("grain:", "grane:"), "grain"),
    ],
)
def test_a_damaged_contract_is_refused_by_file_and_reason(
    tmp_path: Path, damage: tuple[str, str], complaint: str
) -> None:
    text = (FOLDER / "diagnosis.yaml").read_text(encoding="utf-8")
    assert damage[0] in text
    path = tmp_path / "diagnosis.yaml"
    path.write_text(text.replace(*damage, 1), encoding="utf-8")
    with pytest.raises(ContractError, match=complaint) as refusal:
        read_form_contract(path)
    assert "diagnosis.yaml" in str(refusal.value)
