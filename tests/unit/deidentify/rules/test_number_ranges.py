"""A number that stays is as narrow as its meaning: no phone or resident number fits in one."""

from __future__ import annotations

import csv
import re
import struct

import pytest

from schemas.package_data import data_contracts_dir
from tasks.deidentify.rules.contract import parse_contract

#: An 11-digit mobile number begins with 13; an hour in microseconds is below.
SMALLEST_MOBILE = 13_000_000_000
FILES = ("profile.csv", "private_attributes.csv", "blob_fields.csv")
ROWS = [
    (name, number, row["contract"])
    for name in FILES
    for number, row in enumerate(
        csv.DictReader((data_contracts_dir() / "deidentification" / name).read_text().splitlines()),
        start=2,
    )
    if row["contract"].startswith("range:")
]


@pytest.mark.parametrize(("name", "line", "contract"), ROWS)
def test_no_range_admits_a_mobile_or_a_resident_number(name: str, line: int, contract: str) -> None:
    accepts = parse_contract(contract, {}).accepts
    for written in (b"13912345678", b"110105194912310021", b"-13912345678"):
        assert not accepts("DS", "1-n", written.ljust(len(written) + len(written) % 2), little=True)
    highs = [float(high) for high in re.findall(r"\.\.(-?[\d.]+)", contract)]
    assert max(map(abs, highs)) < SMALLEST_MOBILE


#: An hour in the unit of the attribute needs more digits; an acquisition can last as long.
LONG_TIMES = {"range:0..3600000000", "range:0..36000000"}
#: The numbers by which GE marks a b-value (1e9 added), and a flag in the second of the four.
MARKS = r"1000000000\.\.1000100000|(\d+)\.\.\1"


@pytest.mark.parametrize(("name", "line", "contract"), [r for r in ROWS if r[0] != "profile.csv"])
def test_no_range_of_a_private_number_admits_seven_digits_without_need(
    name: str, line: int, contract: str
) -> None:
    if contract in LONG_TIMES:
        return
    bounds = re.findall(r"(-?[\d.]+?)\.\.(-?[\d.]+)", re.sub(MARKS, "0..0", contract))
    assert all(abs(float(bound)) < 1_000_000 for pair in bounds for bound in pair)


def test_a_day_of_the_calendar_is_no_number_whatever_the_range() -> None:
    admit = [
        (name, line, day)
        for name, line, contract in ROWS
        for day in (b"20250306", b"19650304", b"20250306.0")
        if parse_contract(contract, {}).accepts("DS", "1-n", day, little=True)
    ]
    assert admit == []


def test_a_time_as_long_as_a_day_looks_stays_where_it_is_none() -> None:
    hour = parse_contract("range:0..3600000000", {})
    assert hour.accepts("DS", "1", b"20251306", little=True)
    assert hour.accepts("DS", "1", b"20250306.5 ", little=True)
    assert not hour.accepts("FL", "1", struct.pack("<f", 20250306), little=True)


@pytest.mark.parametrize("written", [b"50012345", b"99887766", b"139123456 "])
def test_a_number_of_a_person_is_no_frequency_of_a_magnet(written: bytes) -> None:
    rows = csv.DictReader(
        (data_contracts_dir() / "deidentification" / "profile.csv").read_text().splitlines()
    )
    contracts = [r["contract"] for r in rows if r["keyword"] == "ImagingFrequency"]
    assert contracts
    for contract in contracts:
        accepts = parse_contract(contract, {}).accepts
        assert accepts("DS", "1", b"63870000", little=True)
        assert accepts("DS", "1", b"127.74", little=True)
        assert not accepts("DS", "1", written, little=True)


def test_a_phone_in_the_slice_timing_of_ge_is_refused_and_a_time_is_not() -> None:
    (contract,) = [
        row["contract"]
        for row in csv.DictReader(
            (data_contracts_dir() / "deidentification" / "private_attributes.csv")
            .read_text()
            .splitlines()
        )
        if (row["group"], row["element"]) == ("0021", "5E")
    ]
    accepts = parse_contract(contract, {}).accepts
    assert accepts("DS", "1", b"17625.5 ", little=True)
    assert not accepts("DS", "1", b"9912345678", little=True)


@pytest.mark.parametrize(("name", "line", "contract"), [r for r in ROWS if r[0] == "profile.csv"])
def test_no_range_of_a_public_number_admits_a_day(name: str, line: int, contract: str) -> None:
    accepts = parse_contract(contract, {}).accepts
    assert not accepts("DS", "1-n", b"20240315", little=True)
    assert not accepts("DS", "1-n", b"19840315", little=True)


@pytest.mark.parametrize("written", [b"20240315:1", b"1984.315:1", b"138\\0013\\8000"])
def test_no_text_of_a_private_number_admits_a_day_or_a_telephone_number(written: bytes) -> None:
    path = data_contracts_dir() / "deidentification" / "private_attributes.csv"
    contracts = [
        row["contract"]
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
        if row["contract"].startswith("regex:")
    ]
    padded = written.ljust(len(written) + len(written) % 2)
    assert not [
        c for c in contracts if parse_contract(c, {}).accepts("LO", "1-n", padded, little=True)
    ]
