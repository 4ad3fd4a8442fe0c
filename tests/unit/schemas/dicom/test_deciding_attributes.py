"""The table of what decides is refused by file and line where a row cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.dicom.deciding_attributes import load_deciding_attributes, read_deciding_attributes
from schemas.errors import ContractError

HEAD = "tag,creator,keyword,vr,decides,forms,only_if,held_reason,reason,source\n"
GOOD = '"0028,1053",,RescaleSlope,DS,values,decimal,,DECIDING_ATTRIBUTE_LOST,why,where\n'


def test_public_and_private_rows_are_found_by_tag_and_creator() -> None:
    table = load_deciding_attributes()
    slope, b_value = table.of_public(0x00281053), table.of_private("GEMS_PARM_01", 0x00431139)
    assert slope is not None
    assert slope.keyword in table.holding
    assert b_value is not None
    assert b_value.vendor == "GE"
    assert table.of_private("GEMS_PARM_01", 0x00431239) is b_value
    assert b_value in table.without_creator(0x00431039)


@pytest.mark.parametrize(
    "row",
    [
        GOOD + GOOD,
        GOOD.replace("RescaleSlope", "RescaleIntercept"),
        GOOD.replace("decimal", "any"),
        GOOD.replace("values", "colour"),
        GOOD.replace("DECIDING_ATTRIBUTE_LOST", "NO_SUCH_REASON"),
        GOOD.replace(",why,", ",,"),
        GOOD.replace('"0028,1053",,', '"0029,1053",,'),
        GOOD.replace("decimal,,", "decimal,(,"),
        GOOD.replace(",where", ""),
    ],
    ids=["twice", "keyword", "form", "decides", "reason", "no reason", "odd", "pattern", "cells"],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: str) -> None:
    path = tmp_path / "deciding_attributes.csv"
    path.write_text(HEAD + row, encoding="utf-8")
    with pytest.raises(ContractError, match=r"deciding_attributes\.csv:\d"):
        read_deciding_attributes(path)
