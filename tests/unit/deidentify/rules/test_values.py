"""Dates, times, ages and numbers are read strictly or not at all."""

from __future__ import annotations

import struct
from datetime import date

import pytest

from tasks.deidentify.rules.values import (
    age_at,
    cap_age,
    keep_numbers,
    numbers_of,
    read_date,
    read_time,
    shift_date,
    shift_datetime,
)


@pytest.mark.parametrize("text", ["20250306", "2025.03.06", "2025-03-06"])
def test_a_date_is_read_in_its_old_and_new_forms(text: str) -> None:
    assert read_date(text) == date(2025, 3, 6)


@pytest.mark.parametrize("text", ["", "20250230", "2025", "88123456", "2025030", "张"])
def test_what_is_no_date_is_none(text: str) -> None:
    assert read_date(text) is None
    assert shift_date(text, 400) is None


def test_a_shift_crosses_leap_days_by_the_calendar() -> None:
    assert shift_date("20240301", 366) == "20230301"
    assert shift_date("20250301", 366) == "20240229"


@pytest.mark.parametrize(
    ("text", "shifted"),
    [
        ("20250306", "20240131"),
        ("2025030610", "2024013110"),
        ("20250306102000.123456+0800", "20240131102000.123456"),
        ("20250306102000.1234567", "20240131102000.123456"),
        ("2025-03-06T10:20:00+08:00", "20240131102000"),
        ("2025-03-06 10:20", "202401311020"),
        ("20250306990000", None),
        ("2025", None),
    ],
)
def test_a_datetime_keeps_its_time_and_loses_its_zone(text: str, shifted: str | None) -> None:
    assert shift_datetime(text, 400) == shifted


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("10", "10"),
        ("1015", "1015"),
        ("101500.123456", "101500.123456"),
        ("10:15:00", "101500"),
        ("9:15", "0915"),
        ("09:20:10.5", "092010.5"),
        ("092010.1234567", "092010.123456"),
        ("092010.9999999", "092010.999999"),
        ("092010,5", "092010.5"),
        # A day has eight digits: neither a time of day nor the fraction of a second.
        ("20250306", None),
        ("19650304", None),
        ("20.250306", None),
        ("2025-03-06", None),
        ("092010.19650304", "092010"),
        ("092010.196503041015", "092010"),
        ("092010.19651304", "092010.196513"),
        ("092010+0800", "092010"),
        ("09:20:10.5 +08:00", "092010.5"),
        ("092060", "092060"),
        ("251500", None),
        ("240000", None),
        ("106100", None),
        ("88123456", None),
        ("0920.5", None),
        ("920", None),
        ("", None),
    ],
)
def test_a_time_of_day_is_written_in_the_form_of_dicom(text: str, time: str | None) -> None:
    assert read_time(text) == time


@pytest.mark.parametrize(
    ("stated", "kept"),
    [("60Y", "060Y"), ("999W", "999W"), ("089Y", "089Y"), ("090Y", "090Y"), ("Y60", None)],
)
def test_an_age_is_capped_at_90_years(stated: str, kept: str | None) -> None:
    assert cap_age(stated) == kept


def test_age_counts_completed_years() -> None:
    assert age_at(date(1965, 3, 7), date(2025, 3, 6)) == "059Y"
    assert age_at(date(1965, 3, 6), date(2025, 3, 6)) == "060Y"
    assert age_at(date(2026, 1, 1), date(2025, 3, 6)) is None


@pytest.mark.parametrize(
    ("vr", "raw", "numbers"),
    [
        ("US", b"\x01\x00\x02\x00", (1, 2)),
        ("US", b"\x01\x00\x02", None),
        ("FD", b"\0\0\0\0\0\0\xf8\x7f", None),
        ("DS", b"1.5\\-2e3 ", (1.5, -2000.0)),
        ("DS", b"1.5a", None),
        ("IS", b"1.5", None),
        ("IS", b"", ()),
    ],
)
def test_numbers_are_finite_and_whole_values(
    vr: str, raw: bytes, numbers: tuple[float, ...] | None
) -> None:
    assert numbers_of(vr, raw, little=True) == numbers


@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize(
    ("vr", "text"),
    [
        *(("FD", text) for text in (b"20240315", b"13800138", b"88 12 34", b"A WANG A")),
        *(("FL", text) for text in (b"20240315", b"2024")),
    ],
)
def test_bytes_of_a_text_do_not_stay_as_floats(vr: str, text: bytes, little: bool) -> None:
    kept = keep_numbers(vr, vr, text, little=little)
    assert kept is None or kept.value != text


@pytest.mark.parametrize("number", [0.0, 6.1e-17, 1e-5, 0.5, 83.3333, 1000.0, 123216374.0])
def test_measured_floats_stay_byte_for_byte(number: float) -> None:
    for vr, code in (("FD", "<d"), ("FL", "<f")):
        value = struct.pack(code, number)
        kept = keep_numbers(vr, vr, value, little=True)
        assert kept is not None
        assert kept.value == value
