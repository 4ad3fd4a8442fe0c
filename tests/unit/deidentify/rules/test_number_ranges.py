"""A number that stays is as narrow as its meaning: no phone or resident number fits in one."""

from __future__ import annotations

import csv
import re

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
