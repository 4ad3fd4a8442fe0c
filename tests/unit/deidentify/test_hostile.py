"""Headers made to break readers: held with a reason, or cleaned like any other; never a crash."""

from __future__ import annotations

import pytest

from schemas.states import ReasonCode
from tasks.deidentify.deidentified import DeidentifiedObject
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import run

NAME = b"Zhang^Weiming "
WHOLE = to_bytes(make_instance())
AT = WHOLE.index(b"\x08\x00\x16\x00UI")
ITEM, ITEM_END, END = (bytes.fromhex(h) for h in ("feff00e0", "feff0de0", "feffdde0"))
UNDEFINED = b"\xff" * 4


def with_elements(raw: bytes) -> DeidentifiedObject | ReasonCode:
    return run(WHOLE[:AT] + raw + WHOLE[AT:])


def nested(depth: int, inner: bytes, *, undefined: bool) -> bytes:
    for _ in range(depth):
        if undefined:
            body = ITEM + UNDEFINED + inner + ITEM_END + bytes(4) + END + bytes(4)
            inner = b"\x08\x00\x10\x11SQ\0\0" + UNDEFINED + body
        else:
            body = ITEM + len(inner).to_bytes(4, "little") + inner
            inner = b"\x08\x00\x10\x11SQ\0\0" + len(body).to_bytes(4, "little") + body
    return inner


def element(tag: str, vr: bytes, value: bytes) -> bytes:
    group, number = int(tag[:4], 16), int(tag[4:], 16)
    head = group.to_bytes(2, "little") + number.to_bytes(2, "little") + vr
    if vr in (b"OB", b"UN", b"SQ", b"UT", b"OW"):
        return head + b"\0\0" + len(value).to_bytes(4, "little") + value
    return head + len(value).to_bytes(2, "little") + value


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("depth", [1, 3, 12])
def test_names_in_nested_sequences_go_at_any_depth(depth: int, undefined: bool) -> None:
    done = with_elements(nested(depth, element("00100010", b"PN", NAME), undefined=undefined))
    assert isinstance(done, DeidentifiedObject)
    assert b"Zhang" not in done.output


@pytest.mark.parametrize("depth", [100, 1000])
def test_deeper_nesting_is_held(depth: int) -> None:
    deep = nested(depth, element("00100010", b"PN", NAME), undefined=True)
    assert with_elements(deep) is ReasonCode.UNPARSABLE


@pytest.mark.parametrize(
    "raw",
    [
        element("00080070", b"SQ", NAME),
        element("00080070", b"UN", NAME),
        element("00080070", b"OB", NAME),
        element("0008103E", b"UT", NAME * 100),
        element("00280010", b"LO", NAME),
        element("00189087", b"FD", b"\0\0\0\0\0\0\xf8\x7f"),
        element("00180050", b"DS", b"1e999 "),
        element("00180050", b"DS", b"nan "),
        element("00200032", b"DS", b"1\\2 "),
        element("00080020", b"DA", b"20251340"),
        element("00080020", b"DA", b"00010101"),
        element("00080032", b"TM", NAME),
        element("0020000E", b"UI", b"1.2." + b"9" * 80),
        element("52009230", b"UN", NAME),
        element("52009230", b"SQ", b""),
        element("00290010", b"LO", b"SIEMENS CSA HEADER") + element("00291010", b"OB", NAME),
        element("00250010", b"LO", b"GEMS_SERS_01") + element("0025101B", b"OB", NAME),
        element("20050010", b"LO", b"Philips MR Imaging DD 005") + element("2005100F", b"UN", NAME),
        element("00090010", b"LO", NAME),
        element("00091001", b"UN", NAME),
        element("00080005", b"CS", b"NO SUCH CHARSET "),
    ],
    ids=range(21),
)
def test_values_that_do_not_fit_their_attribute_never_come_out(raw: bytes) -> None:
    done = with_elements(raw)
    if isinstance(done, DeidentifiedObject):
        assert b"Zhang" not in done.output
        assert b"nan" not in done.output
    else:
        assert done in ReasonCode


def test_a_length_beyond_the_file_is_held() -> None:
    head = b"\x08\x00\x81\x00ST\xf0\xff"
    assert run(WHOLE[:AT] + head + NAME) is ReasonCode.TRUNCATED


def test_an_item_where_no_sequence_is_is_held_or_dropped() -> None:
    done = with_elements(ITEM + (14).to_bytes(4, "little") + NAME)
    assert not isinstance(done, DeidentifiedObject) or b"Zhang" not in done.output


def test_text_in_an_element_that_stands_twice_never_comes_out() -> None:
    done = with_elements(element("00080016", b"UI", NAME))
    assert not isinstance(done, DeidentifiedObject) or b"Zhang" not in done.output
