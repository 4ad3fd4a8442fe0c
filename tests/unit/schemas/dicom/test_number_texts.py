"""Numbers as exporters write them: read where there is one reading, written in DICOM's form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dicom.number_texts import read_number, read_numbers, write_numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-1024.000000000000001", -1024.0),
        ("-1024,0", -1024.0),
        ("0,570", 0.57),
        ("+1.5E+02", 150.0),
        (" 800.0 \0", 800.0),
        (".5", 0.5),
        ("1,024", None),
        ("-1,024", None),
        ("1,024.0", None),
        ("12 34", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("", None),
    ],
)
def test_a_text_is_read_where_it_has_one_reading(text: str, number: float | None) -> None:
    assert read_number(text) == number


def test_one_value_that_is_none_makes_none_of_all() -> None:
    assert read_numbers(b"1\\x") is None
    assert read_numbers(b"0,57\\0.57 ") == (0.57, 0.57)
    assert read_numbers(b"\0\0") == ()


@given(st.floats(min_value=-1e300, max_value=1e300))
def test_a_decimal_string_has_sixteen_characters_and_stays_near(number: float) -> None:
    text = write_numbers("DS", (number,), little=True)
    assert text is not None
    assert len(text) <= 16
    assert abs(float(text) - number) <= 1e-8 * abs(number)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_single_precision_survives_the_text(number: float) -> None:
    from struct import pack, unpack

    text = write_numbers("DS", (number,), little=True)
    assert text is not None
    (after,) = unpack("<f", pack("<f", float(text)))
    assert after == pytest.approx(number, rel=1.2e-7)


@pytest.mark.parametrize(
    ("vr", "numbers", "value"),
    [
        ("IS", (800.0,), b"800"),
        ("IS", (800.5,), None),
        ("IS", (float(1 << 31),), None),
        ("US", (512.0,), b"\0\2"),
        ("US", (-1.0,), None),
        ("US", (65536.0,), None),
        ("FD", (1.0,), b"\0\0\0\0\0\0\xf0\x3f"),
    ],
)
def test_a_vr_that_cannot_hold_a_number_gets_none(
    vr: str, numbers: tuple[float, ...], value: bytes | None
) -> None:
    assert write_numbers(vr, numbers, little=True) == value
