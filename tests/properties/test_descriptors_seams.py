"""Law of cleaning part by part: what a text is cut into changes nothing of what is read."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dicom import descriptors
from schemas.dicom.descriptor_vocabulary import read_vocabulary

_BEFORE = [
    *("b", "te", "tr", "ti", "fa", "ph", "phase", "dyn", "dynamic", "t1", "vibe", "期"),
    *("3", "5.0", "1.5", "12", "0", "800", "c-", "+c", "t2*", "w"),
]
_BEHIND = [
    *("t", "s", "sec", "min", "mm", "h", "秒", "分钟", "小时", "phases", "ph", "mph", "p", "m"),
    *("3", "5.0", "800", "12mm", "b800", "te90", "3ph", "vibe", "c-", "-c", "+c", "t2*", "期"),
    *("重t2", "fl3d", "b30f", "2026-11-20", "zhang", "张"),
]
_SEPARATORS = [
    " ",
    "_",
    "",
    "-",
    "=",
    "  ",
    " _",
    "_ ",
    "__",
    "   ",
    "/",
    ".",
    "%",
    "+",
    " -",
    "- ",
]
_PIECES = st.one_of(
    st.sampled_from(sorted(read_vocabulary().words)),
    st.sampled_from([*_BEFORE, *_BEHIND]),
    st.text("abt35.期", min_size=1, max_size=3),
)


def _assert_read_as_the_whole(text: str) -> None:
    whole = descriptors._words_of_part(descriptors._normalise(text))
    assert descriptors._words_of(text) == descriptors._without_initials(list(whole))


def test_no_number_and_its_word_are_parted_by_any_separator() -> None:
    for before, separator, behind in product(_BEFORE, _SEPARATORS, _BEHIND):
        _assert_read_as_the_whole(f"{before}{separator}{behind}")
        _assert_read_as_the_whole(f"axial {before}{separator}{behind} fs")


@given(st.lists(st.tuples(_PIECES, st.sampled_from(_SEPARATORS)), max_size=8))
@settings(max_examples=500, deadline=None)
def test_a_text_read_in_parts_is_read_as_the_whole(pieces: list[tuple[str, str]]) -> None:
    _assert_read_as_the_whole("".join(piece + separator for piece, separator in pieces))
