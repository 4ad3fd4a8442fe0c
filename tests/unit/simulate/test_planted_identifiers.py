"""Every planted identifier is really in the bytes, where the answer key says."""

from __future__ import annotations

from collections import defaultdict
from io import BytesIO

import pydicom
import pytest
from stdnum.cn import ric

from tasks.simulate.people.hospitals import HOSPITALS, Charset
from tasks.simulate.people.text_encoding import encode_text
from tests.unit.simulate.conftest import Delivered

_FORMS_OF_A_VALUE = ("utf-8", "gb18030")


def haystacks(delivered: Delivered) -> dict[str, bytes]:
    parts: dict[str, list[bytes]] = defaultdict(list)
    for (site, _, path), data in delivered.files.items():
        parts[site] += [path.encode("utf-8"), data]
    return {site: b"\n".join(found) for site, found in parts.items()}


def test_every_planted_identifier_is_in_the_bytes_of_its_site(delivered: Delivered) -> None:
    searched = haystacks(delivered)
    missing = [
        row["place"]
        for row in delivered.key("identifiers")
        if not row["place"].startswith("pixels")
        and not any(row["value"].encode(f) in searched[row["site"]] for f in _FORMS_OF_A_VALUE)
    ]
    assert missing == []


def test_no_identifier_is_empty_or_so_short_that_it_is_found_by_chance(
    delivered: Delivered,
) -> None:
    short = [
        row["kind"]
        for row in delivered.key("identifiers")
        if len(row["value"].encode("gb18030")) < 6
    ]
    assert short == []


def test_the_wild_places_are_all_used(delivered: Delivered) -> None:
    places = {row["place"] for row in delivered.key("identifiers")}
    assert {
        "preamble",
        "(0002,0016)",
        "path",
        "OverlayLabel",
        "OverlayDescription",
        "PatientName",
        "PatientComments",
        "OtherPatientIDs",
        "StudyDescription",
        "SeriesDescription",
        "RequestAttributesSequence",
        "OriginalAttributesSequence>...>PatientID",
        "private (0039,xx02) OB",
        "private (0065,xx07) OB",
        "form pathology",
        "linkage.csv",
    } <= places


def test_resident_id_numbers_pass_the_check_that_detectors_make(delivered: Delivered) -> None:
    numbers = {r["value"] for r in delivered.key("identifiers") if r["kind"] == "resident_id"}
    assert len(numbers) == 9
    assert all(ric.is_valid(number) for number in numbers)


def test_forms_hold_no_direct_identifier_that_would_set_them_aside(delivered: Delivered) -> None:
    direct = {
        row["value"]
        for row in delivered.key("identifiers")
        if row["kind"] in ("resident_id", "mobile", "patient_id")
    }
    for (_, _, path), data in delivered.files.items():
        if path.startswith("clinical/"):
            assert not any(value.encode() in data for value in direct)


def test_dates_are_to_be_looked_for_in_the_own_objects_of_a_person_only(
    delivered: Delivered,
) -> None:
    own = {r["kind"] for r in delivered.key("identifiers") if r["scope"] == "own_objects"}
    assert own == {"date", "birth_date"}


@pytest.mark.parametrize(
    ("charset", "expected"),
    [
        (Charset.UTF_8, "贺明远".encode()),
        (Charset.GB18030, "贺明远".encode("gb18030")),
        (Charset.GBK_UNLABELLED, "贺明远".encode("gbk")),
        (Charset.GBK_AS_LATIN_1, "贺明远".encode("gbk")),
        (Charset.IR_58, b"\x1b$)A" + "贺明远".encode("gb2312")),
    ],
)
def test_a_name_is_written_in_the_bytes_of_the_habit(charset: Charset, expected: bytes) -> None:
    written = encode_text("HE^MINGYUAN=贺明远", charset)
    assert written.rstrip(b" ") == b"HE^MINGYUAN=" + expected
    assert len(written) % 2 == 0


def test_charsets_are_declared_as_each_habit_declares_them(delivered: Delivered) -> None:
    declared = defaultdict(set)
    for (site, _, _), data in delivered.images().items():
        header = pydicom.dcmread(BytesIO(data), specific_tags=["SpecificCharacterSet", "Modality"])
        value = header.get("SpecificCharacterSet")
        text = value if value is None or isinstance(value, str) else "\\".join(value)
        declared[site, header.Modality].add(text)
    assert declared["S91", "CT"] == {"GB18030"}
    assert declared["S92", "CT"] == {None}
    assert declared["S92", "MR"] == {"\\ISO 2022 IR 58"}
    assert declared["S93", "CT"] == {"ISO_IR 100"}
    assert declared["S93", "MR"] == {"ISO_IR 192"}


def test_no_simulated_hospital_is_a_registered_one() -> None:
    assert [hospital.code for hospital in HOSPITALS] == [f"S{n}" for n in range(91, 100)]
