"""ODM-XML: snapshots and transactions; the file's own words are checked, nothing is deleted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pytest

from schemas.clinical_rows import Missing
from schemas.identifiers import BatchId
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing
from tasks.clinical.form_rows import FormRows
from tasks.clinical.merge import BatchForms, merge_batches
from tasks.clinical.raw_form import FormRefusedError
from tests.unit.clinical.forms import SITE, form_row, intake_of, read_bytes

NS = 'xmlns="http://www.cdisc.org/ns/odm/v1.3"'


def group(
    form: str, row: Mapping[str, str], *, key: str = "1", transaction: str = "", more: str = ""
) -> str:
    items = "".join(
        f'<ItemData ItemOID="IT.{form}.{name}" Value="{value}"/>' for name, value in row.items()
    )
    said = f' TransactionType="{transaction}"' if transaction else ""
    return (
        f'<ItemGroupData ItemGroupOID="IG.{form}" ItemGroupRepeatKey="{key}"{said}>'
        f"{items}{more}</ItemGroupData>"
    )


def subject(form: str, *groups: str, key: str = "LC-0001") -> str:
    return (
        f'<SubjectData SubjectKey="{key}"><StudyEventData StudyEventOID="SE.1">'
        f'<FormData FormOID="FO.{form}">{"".join(groups)}</FormData>'
        f"</StudyEventData></SubjectData>"
    )


def document(
    *subjects: str,
    kind: str = "Snapshot",
    as_of: str = "2026-11-20T02:00:00+08:00",
    metadata: str = "",
    version: str = "1.3.2",
) -> str:
    return (
        f'<ODM {NS} ODMVersion="{version}" FileType="{kind}" FileOID="F" AsOfDateTime="{as_of}" '
        f'CreationDateTime="{as_of}">{metadata}'
        f'<ClinicalData StudyOID="S" MetaDataVersionOID="M">{"".join(subjects)}</ClinicalData>'
        "</ODM>"
    )


def read_xml(form: str, text: str | bytes) -> tuple[FormRows, list[str]]:
    data = text if isinstance(text, bytes) else text.encode()
    rows, findings = read_bytes(f"{form}.xml", data)
    return rows, [finding.rule_id for finding in findings]


def refusal_of(text: str | bytes) -> FormRefusedError:
    with pytest.raises(FormRefusedError) as refusal:
        read_xml("treatment", text)
    return refusal.value


TREATMENT = form_row("treatment")
PLAIN = document(subject("treatment", group("treatment", TREATMENT)))


def test_a_snapshot_gives_one_row_for_each_item_group() -> None:
    groups = [group("diagnosis", form_row("diagnosis", lesion_no=n), key=n) for n in "12"]
    rows, rules = read_xml("diagnosis", document(subject("diagnosis", *groups)))
    assert [row.values["lesion_no"] for row in rows.rows] == [1, 2]
    assert (rows.export_as_of, rows.incremental, rules) == (dt.date(2026, 11, 20), False, [])
    assert rows.rows[0].values["capsule"] is Missing.NOT_ENTERED


def test_the_day_of_the_export_is_that_of_the_sites() -> None:
    late = PLAIN.replace("2026-11-20T02:00:00+08:00", "2026-11-19T18:30:00Z")
    assert read_xml("treatment", late)[0].export_as_of == dt.date(2026, 11, 20)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b'<?xml version="1.0" encoding="GBK"?>' + PLAIN.encode("gb18030"), "gb18030"),
        (f'<?xml version="1.0" encoding="UTF-8"?>{PLAIN}'.encode(), "utf-8"),
        (f'<?xml version="1.0" encoding="UTF-8"?>{PLAIN}'.encode("utf-8-sig"), "utf-8"),
        (f'<?xml version="1.0" encoding="UTF-16"?>{PLAIN}'.encode("utf-16"), "utf-16"),
    ],
)
def test_mark_or_declaration_decide_the_encoding(data: bytes, encoding: str) -> None:
    assert read_xml("treatment", data)[0].encoding == encoding


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b'<?xml version="1.0" encoding="ISO-8859-1"?>' + PLAIN.encode(), "declares an encoding"),
        ('<?xml version="1.0" encoding="UTF-8"?>不'.encode("gb18030"), "disagree"),
        (b"<ODM", "damaged"),
        ("<x/>", "no ODM document"),
        (PLAIN.replace("1.3.2", "2.0"), "only ODM 1.3"),
        (PLAIN.replace('"Snapshot"', '"Other"'), "FileType"),
        ('<!DOCTYPE ODM [<!ENTITY a "b">]>' + PLAIN, "definitions of its own"),
        (PLAIN.replace("</ODM>", "<a>" * 99), "more than 32 deep"),
        ('<!DOCTYPE ODM SYSTEM "http://x/y.dtd">' + PLAIN, "definitions of its own"),
    ],
)
def test_what_is_no_acceptable_odm_is_refused(data: str | bytes, complaint: str) -> None:
    refusal = refusal_of(data)
    assert refusal.reason is ReasonCode.UNREADABLE_FORM
    assert complaint in refusal.detail


def metadata(codes: Mapping[str, str]) -> str:
    listed = "".join(
        f'<CodeListItem CodedValue="{code}"><Decode><TranslatedText>{words}</TranslatedText>'
        "</Decode></CodeListItem>"
        for code, words in codes.items()
    )
    return (
        f'<Study OID="S"><MetaDataVersion OID="M" Name="1">'
        f'<ItemDef OID="X7" Name="既往治疗" DataType="integer"><CodeListRef CodeListOID="CL"/>'
        "</ItemDef>"
        f'<CodeList OID="CL" Name="yn" DataType="integer">{listed}</CodeList>'
        "</MetaDataVersion></Study>"
    )


def with_own_item(value: str) -> str:
    rest = {name: text for name, text in TREATMENT.items() if name != "prior_treatment"}
    more = f'<ItemData ItemOID="X7" Value="{value}"/>'
    return subject("treatment", group("treatment", rest, more=more))


def test_an_item_is_headed_by_the_name_in_the_files_own_metadata() -> None:
    text = document(with_own_item("2"), metadata=metadata({"1": "是", "2": "否"}))
    rows, rules = read_xml("treatment", text)
    assert rows.rows[0].values["prior_treatment"] == "no"
    assert rules == []


def test_a_code_list_that_contradicts_the_contract_refuses_the_form() -> None:
    text = document(with_own_item("2"), metadata=metadata({"1": "否", "2": "是"}))
    assert "contradicts the contract" in refusal_of(text).detail


def test_typed_items_and_null_items_are_read() -> None:
    rest = {k: v for k, v in TREATMENT.items() if k not in ("type", "target")}
    more = (
        '<ItemDataString ItemOID="IT.treatment.type">TACE</ItemDataString>'
        '<ItemData ItemOID="IT.treatment.target" IsNull="Yes" Value="this_lesion"/>'
    )
    text = document(subject("treatment", group("treatment", rest, more=more)))
    values = read_xml("treatment", text)[0].rows[0].values
    assert values["type"] == "TACE"
    assert values["target"] is Missing.NOT_ENTERED


def test_without_a_subject_item_the_subject_key_names_the_subject() -> None:
    rest = {name: value for name, value in TREATMENT.items() if name != "subject_no"}
    rows, rules = read_xml("treatment", document(subject("treatment", group("treatment", rest))))
    assert (rows.rows[0].person, rules) == ("LC-0001", [])


def test_a_subject_key_and_a_subject_number_that_differ_are_a_finding() -> None:
    text = document(subject("treatment", group("treatment", TREATMENT), key="LC-0002"))
    rows, rules = read_xml("treatment", text)
    assert rows.rows == ()
    assert rules == ["CLIN_SUBJECT_KEY_DIFFERS", "CLIN_SUBJECT_NO_UNUSABLE"]


def test_a_person_never_enrolled_hangs_under_the_screening_number() -> None:
    log = form_row("screening_log", enrolled="no", subject_no="NA", reason_not_enrolled="age")
    text = document(subject("screening_log", group("screening_log", log), key="SCR-001"))
    rows, rules = read_xml("screening_log", text)
    assert (rows.rows[0].person, rules) == ("screening/SCR-001", [])


def test_groups_of_another_form_are_told_and_left() -> None:
    other = subject("diagnosis", group("diagnosis", form_row("diagnosis")))
    text = document(subject("treatment", group("treatment", TREATMENT)), other)
    rows, rules = read_xml("treatment", text)
    assert (len(rows.rows), rules) == (1, ["CLIN_OTHER_FORM"])


def transactions(*groups: str, as_of: str = "2026-11-21T00:00:00+08:00") -> str:
    return document(subject("diagnosis", *groups), kind="Transactional", as_of=as_of)


KEY = {"subject_no": "LC-0001", "lesion_no": "1"}


def test_an_update_changes_what_it_names_and_nothing_else(ring: KeyRing) -> None:
    first, _ = read_xml(
        "diagnosis", document(subject("diagnosis", group("diagnosis", form_row("diagnosis"))))
    )
    update = group("diagnosis", KEY | {"reference_class": "ICC"}, transaction="Update")
    second, rules = read_xml("diagnosis", transactions(update))
    assert (second.incremental, rules) == (True, [])
    batches = [BatchForms(SITE, BatchId(n), intake_of(f)) for n, f in (("a", first), ("b", second))]
    merged = merge_batches(batches, ring)
    (row,) = merged.rows
    assert row.text("reference_class") == "ICC"
    assert row.number("diameter_mm") == 23.5
    assert merged.findings == ()


def test_later_transactions_of_one_file_build_on_earlier_ones() -> None:
    insert = group("diagnosis", form_row("diagnosis"), transaction="Insert")
    update = group("diagnosis", KEY | {"segment": "II"}, transaction="Update")
    rows, _ = read_xml("diagnosis", transactions(insert, update))
    (row,) = rows.rows
    assert (row.values["segment"], row.values["reference_class"]) == ("II", "HCC")


def test_a_removal_is_a_finding_and_the_earlier_row_stays(ring: KeyRing) -> None:
    first, _ = read_xml(
        "diagnosis", document(subject("diagnosis", group("diagnosis", form_row("diagnosis"))))
    )
    second, rules = read_xml(
        "diagnosis", transactions(group("diagnosis", {}, transaction="Remove"))
    )
    assert rules == ["CLIN_ROW_REMOVED"]
    batches = [BatchForms(SITE, BatchId(n), intake_of(f)) for n, f in (("a", first), ("b", second))]
    assert len(merge_batches(batches, ring).rows) == 1
