"""A sidecar keeps listed keys of the listed kind; a broken one is rebuilt from DICOM."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.dicom.features import read_features
from schemas.errors import ContractError
from tasks.convert.sidecar import clean_sidecar, read_sidecar_keys
from tests.builders import make_instance

KEYS = read_sidecar_keys()
MR = read_features(make_instance(modality="MR"))


def clean(values: object) -> dict[str, object]:
    return clean_sidecar(json.dumps(values).encode(), MR, KEYS)


def test_an_unlisted_key_is_dropped() -> None:
    assert clean({"Modality": "MR", "InstitutionName": "Hospital A"}) == {"Modality": "MR"}


@pytest.mark.parametrize(
    "value", ["张三", "a" * 65, {"x": 1}, True, "Zhang^San", "name@host", None, 3]
)
def test_a_coded_key_holds_codes_only(value: object) -> None:
    assert clean({"Modality": value}) == {}


@pytest.mark.parametrize("value", ["0.002", True, None, [0.002]])
def test_a_numeric_key_holds_a_number_only(value: object) -> None:
    assert clean({"EchoTime": value}) == {}


def test_a_list_of_one_may_stand_bare() -> None:
    assert clean({"SliceTiming": 0.5}) == {"SliceTiming": 0.5}
    assert clean({"SliceTiming": [0.5, "name"]}) == {}


@pytest.mark.parametrize("raw", [b"", b'{"Kernel": "Br38f\\3"}', b"[1]", b"\xff", b"[" * 100_000])
def test_a_broken_sidecar_is_rebuilt_with_seconds_for_milliseconds(raw: bytes) -> None:
    rebuilt = clean_sidecar(raw, MR, KEYS)
    assert rebuilt["EchoTime"] == pytest.approx(0.0021)
    assert rebuilt["ImageType"] == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert set(rebuilt) <= set(KEYS)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("EchoTime,number,,source", "without reason"),
        ("EchoTime,text,reason,source", "unknown kind"),
        ("Modality,code,reason,source\nModality,code,reason,source", "twice"),
    ],
)
def test_a_bad_row_is_refused_by_file_and_line(tmp_path: Path, row: str, problem: str) -> None:
    table = tmp_path / "keys.csv"
    table.write_text(f"key,kind,reason,source\n{row}\n", encoding="utf-8")
    with pytest.raises(ContractError, match=rf"{problem}.*keys\.csv:\d"):
        read_sidecar_keys(table)
