"""What was learned is found again by series, and the oldest is forgotten first."""

from __future__ import annotations

import pytest
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from schemas.dicom.by_series import BySeries, series_hint
from tests.builders import make_instance, to_bytes


def file_of(series: int, instance: int = 1) -> bytes:
    return to_bytes(make_instance(series=series, instance=instance))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_files_of_one_series_have_one_hint_whatever_the_vr(syntax: str) -> None:
    data = make_instance(series=3)
    data.file_meta.TransferSyntaxUID = UID(syntax)
    uid = str(data.SeriesInstanceUID).encode()
    assert series_hint(to_bytes(data)).rstrip(b"\0") == uid


@pytest.mark.parametrize("raw", [b"", b"\x20\x00\x0e\x00", b"\x20\x00\x0e\x00UI", b"x" * 999])
def test_what_is_no_header_has_some_hint_and_no_error(raw: bytes) -> None:
    assert series_hint(raw) == b""


def test_a_file_is_held_against_its_own_series_only_the_last_used_first() -> None:
    known: BySeries[str] = BySeries()
    for name, raw in {"a": file_of(1), "b": file_of(1, 2), "c": file_of(2)}.items():
        known.keep(raw, name, 1)
    assert list(known.of(file_of(1, 3))) == ["b", "a"]
    known.keep(file_of(1, 4), "a", 1)
    assert list(known.of(file_of(1, 5))) == ["a", "b"]
    assert list(known.of(file_of(3))) == []
    assert set(known.all()) == {"a", "b", "c"}


def test_of_one_series_the_four_used_last_are_kept() -> None:
    known: BySeries[int] = BySeries()
    for number in (1, 2, 3, 4, 1, 5):
        known.keep(file_of(1), number, 1)
    assert list(known.of(file_of(1))) == [5, 1, 4, 3]


def test_the_series_used_last_stay_when_there_are_too_many_bytes() -> None:
    known: BySeries[int] = BySeries(most_bytes=30)
    for series in range(1, 4):
        known.keep(file_of(series), series, 10)
    list(known.of(file_of(1)))
    known.keep(file_of(4), 4, 10)
    assert [bool(list(known.of(file_of(n)))) for n in range(1, 5)] == [True, False, True, True]
