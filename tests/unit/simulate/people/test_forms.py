"""Forms in the habits of nine sites, read back by readers that know nothing of the simulator."""

from __future__ import annotations

import csv
import datetime as dt
from io import BytesIO, StringIO
from xml.etree import ElementTree

import openpyxl
import pytest

from schemas.identifiers import Sha256, SiteCode
from tasks.clinical.intake import read_form
from tasks.simulate.exports import Export
from tasks.simulate.people.form_habits import Dates, Vague, date_text, habits_of
from tasks.simulate.people.forms import FORMS, FormRow, form_path, write_form
from tests.unit.simulate.planning import hit, planned

AS_OF = dt.date(2026, 11, 20)
_SITES = tuple(f"S{number}" for number in range(91, 100))
_ODM = "{http://www.cdisc.org/ns/odm/v1.3}"


def forms_of(export: Export) -> dict[str, bytes]:
    return {f.path: f.content() for f in export.files if f.path.startswith("clinical/")}


@pytest.fixture(scope="module")
def exports() -> dict[str, Export]:
    return {str(e.hospital.code): e for e in planned(sites=9, subjects=2, nights=1)}


@pytest.mark.parametrize("site", _SITES)
def test_the_intake_reads_back_every_answer_of_a_site(
    exports: dict[str, Export], site: str
) -> None:
    export = exports[site]
    truth = {
        (r["form"], r["row_no"], r["field"]): r["value"]
        for r in export.answers
        if r["value"] not in (None, "UK", "ND", "NA")
        and r["field"] not in ("subject_no", "verbatim")
    }
    read = 0
    for number, (path, data) in enumerate(forms_of(export).items()):
        form = read_form(
            path.rsplit("/", 1)[1], data, site=SiteCode(site), file_no=number,
            source_sha256=Sha256("0" * 64),
        )  # fmt: skip
        for row_no, row in enumerate(form.rows, start=1):
            for field, value in row.values.items():
                expected = truth.get((form.form, row_no, field))
                if expected is not None:
                    text = value.iso() if hasattr(value, "iso") else str(value)
                    assert text == expected or float(text) == float(str(expected)), field
                    read += 1
    assert read == len(truth)


def test_every_encoding_heading_and_style_of_dates_is_used() -> None:
    habits = [habits_of(f"S{number}") for number in range(91, 100)]
    assert {h.dates for h in habits} == set(Dates)
    assert {h.encoding for h in habits} == {"utf-8", "utf-8-sig", "gb18030"}
    assert {h.format.value for h in habits} == {"csv", "xlsx", "xml"}
    assert {h.headings.value for h in habits} == {"zh", "en", "aliases"}


@pytest.mark.parametrize(
    ("style", "day", "month", "year"),
    [
        (Dates.ISO, "2025-03-06", "2025-03", "2025"),
        (Dates.SLASHES, "2025/3/6", "2025/3", "2025"),
        (Dates.DOTS, "2025.03.06", "2025.3", "2025"),
        (Dates.COMPACT, "20250306", "UK-03-2025", "UK-UK-2025"),
        (Dates.CHINESE, "2025年3月6日", "2025年3月", "2025年"),
    ],
)
def test_a_day_is_typed_in_the_style_of_the_site(
    style: Dates, day: str, month: str, year: str
) -> None:
    date = dt.date(2025, 3, 6)
    typed = [date_text(date, style), *(date_text(Vague(date, p), style) for p in ("month", "year"))]
    assert typed == [day, month, year]


def test_a_workbook_holds_headings_and_rows(exports: dict[str, Export]) -> None:
    data = forms_of(exports["S94"])["clinical/demographics.xlsx"]
    rows = list(openpyxl.load_workbook(BytesIO(data)).active.iter_rows(values_only=True))
    assert rows[0][0] == "研究编号"
    assert [row[0] for row in rows[1:]] == ["LC94-0001", "LC94-0002"]


def test_an_odm_snapshot_has_one_item_group_a_row(exports: dict[str, Export]) -> None:
    data = forms_of(exports["S96"])["clinical/demographics.xml"]
    root = ElementTree.fromstring(data)
    assert root.attrib["ODMVersion"] == "1.3.2"
    assert root.attrib["AsOfDateTime"].startswith("2026-11-20")
    assert [s.attrib["SubjectKey"] for s in root.iter(f"{_ODM}SubjectData")] == [
        "LC96-0001",
        "LC96-0002",
    ]
    defined = {item.attrib["OID"] for item in root.iter(f"{_ODM}ItemDef")}
    assert {item.attrib["ItemOID"] for item in root.iter(f"{_ODM}ItemData")} <= defined


@pytest.mark.parametrize("site", ["S94", "S96"])
def test_workbooks_and_odm_are_the_same_bytes_on_every_run(site: str) -> None:
    habits = habits_of(site)
    rows: list[FormRow] = [{"subject_no": "LC01-0001", "birth_date": dt.date(1960, 2, 3)}]
    once, twice = (write_form(habits, "demographics", rows, AS_OF) for _ in range(2))
    assert once == twice


def test_answers_that_are_missing_say_how(exports: dict[str, Export]) -> None:
    values = {row["value"] for export in exports.values() for row in export.answers}
    assert {"UK", "ND", "NA", None} <= values


def test_an_incremental_export_has_only_what_changed() -> None:
    first, second = planned("incremental_forms", subjects=2)
    count = [sum(r["field"] == "subject_no" for r in e.answers) for e in (first, second)]
    assert 0 < count[1] < count[0]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("form_without_date", "NO_EXPORT_DATE"),
        ("form_with_names", "DIRECT_IDENTIFIER_COLUMN"),
        ("unknown_form", "UNKNOWN_FORM"),
        ("form_in_two_encodings", "UNREADABLE_FORM"),
    ],
)
def test_a_faulty_form_is_an_extra_file_and_the_proper_ones_stay(fault: str, reason: str) -> None:
    (clean,), (faulted,) = planned(nights=1), planned(fault, nights=1)
    [extra] = hit(faulted, fault)
    assert extra.reason == reason
    assert {f.path for f in faulted.files} - {f.path for f in clean.files} == {extra.path}


def test_a_conflicting_linkage_gives_one_hospital_number_to_two_subjects() -> None:
    _, second = planned("linkage_conflict")
    [file] = hit(second, "linkage_conflict")
    rows = list(csv.DictReader(StringIO(file.content().decode("utf-8"))))
    assert len({row["patient_id"] for row in rows}) == 1
    assert len({row["study_subject_no"] for row in rows}) == 2


def test_every_form_of_the_contract_is_sent_by_every_site(exports: dict[str, Export]) -> None:
    for site, export in exports.items():
        paths = {form_path(habits_of(site), form, AS_OF) for form in FORMS}
        assert paths <= set(forms_of(export))
