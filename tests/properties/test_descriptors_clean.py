"""Laws of cleaning: idempotent, closed, and blind to names however they are glued."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.dicom.descriptor_vocabulary import read_vocabulary
from schemas.dicom.descriptors import clean_descriptor
from tasks.harmonise.text import label_string

_NUMBER_WORD = re.compile(
    r"\d{1,3}(\.\d{1,2})?(mm|s|min|h|t|phase)|(b\d{1,4}|(te|tr|ti|fa)\d{1,3}|(ph|dyn)\d)"
    r"|[bij]\d\d[fsh]|b[flrv]\d\d|fc\d\d|[a-z]{1,5}[23]d"
)
_WORDS = st.sampled_from(sorted(read_vocabulary().words))
_SURNAMES = st.sampled_from(
    ["zhang", "wang", "li", "zhao", "chen", "liu", "yang", "huang", "zhou", "wu", "xu", "sun", "ma"]
)
_GIVEN = st.sampled_from(
    [
        "wei",
        "fang",
        "na",
        "xiuying",
        "min",
        "jing",
        "qiang",
        "lei",
        "jun",
        "yong",
        "yan",
        "jie",
        "tao",
        "ming",
    ]
)
_HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=3)
_GLUE = st.sampled_from(["", " ", "_", "-", "^", ".", "/", ","])
_MIXED = st.lists(
    st.one_of(_WORDS, st.text(max_size=6), st.integers(0, 10**8).map(str), _GLUE), max_size=10
).map("".join)


@given(st.one_of(st.text(max_size=40), _MIXED))
@example("w wo f 3 phase 3d b 800 -c c- +c")
@settings(max_examples=500, deadline=None)
def test_cleaning_a_cleaned_text_changes_nothing(text: str) -> None:
    once = clean_descriptor(text)
    assert clean_descriptor(once) == once


@given(st.one_of(st.text(max_size=40), _MIXED))
@settings(max_examples=500, deadline=None)
def test_every_word_that_survives_is_of_the_vocabulary_or_a_technical_number(text: str) -> None:
    words = read_vocabulary().words
    for word in clean_descriptor(text).split():
        assert words.get(word) == (word,) or _NUMBER_WORD.fullmatch(word)


@given(st.integers(1000, 10**18).map(str), _GLUE, _WORDS)
@settings(max_examples=300, deadline=None)
def test_no_long_number_survives(number: str, glue: str, word: str) -> None:
    digits = re.findall(r"\d{4,}", clean_descriptor(f"{number}{glue}{word}"))
    assert digits == []


@given(_SURNAMES, _GIVEN, _GLUE, _GLUE, _WORDS)
@settings(max_examples=500, deadline=None)
def test_a_pinyin_name_never_survives(
    surname: str, given_name: str, inner: str, outer: str, word: str
) -> None:
    kept = clean_descriptor(f"{surname}{inner}{given_name}{outer}{word}").split()
    assert not {surname, given_name, surname + given_name} & set(kept)


@given(_HAN, _GLUE)
@settings(max_examples=500, deadline=None)
def test_a_han_name_survives_only_where_it_is_a_technique_word(name: str, glue: str) -> None:
    kept = clean_descriptor(f"{name}{glue}动脉期").split()
    assert all(word in read_vocabulary().words for word in kept)
    if name not in read_vocabulary().words:
        assert name not in kept


@given(_MIXED, st.sampled_from(["CT", "MR", ""]))
@settings(max_examples=300, deadline=None)
def test_raw_and_cleaned_text_get_the_same_label(text: str, modality: str) -> None:
    raw, cleaned = (label_string(t, "", modality) for t in (text, clean_descriptor(text)))
    assert raw == cleaned
