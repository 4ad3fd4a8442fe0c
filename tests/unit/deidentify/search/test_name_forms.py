"""A name is known by all the ways it is written."""

from __future__ import annotations

import pytest

from tasks.deidentify.search.name_forms import full_names, initials, name_groups


@pytest.mark.parametrize(
    "form",
    [
        "张伟明",
        "张^伟明",
        "张 伟明",
        "zhangweiming",
        "ZHANG WEIMING",
        "Zhang^Weiming",
        "weiming zhang",
        "Zhang Wei Ming",
        "Weiming,Zhang",
        "zhang_weiming",
        "ZHANG-WEI-MING",
    ],
)
def test_a_han_name_is_known_in_pinyin_of_any_order_case_and_separator(form: str) -> None:
    forms = full_names(("张伟明",))
    assert (form if not form.isascii() else form.lower()) in forms


def test_a_surname_with_two_readings_is_known_by_both() -> None:
    assert {"zengli", "cengli"} <= full_names(("曾丽",))


def test_the_u_umlaut_is_known_as_v_u_and_yu() -> None:
    assert {"lvna", "luna", "lyuna"} <= full_names(("吕娜",))


def test_a_surname_of_two_characters_stays_whole() -> None:
    assert "ouyang^xiu" in full_names(("欧阳修",))


def test_the_components_of_a_dicom_name_are_parts_of_one_name() -> None:
    assert name_groups("Zhang^Weiming=张^伟明") == [("Zhang", "Weiming"), ("张", "伟明")]


def test_initials_come_with_the_surname_first_and_last() -> None:
    assert {"ZWM", "WMZ"} <= initials(("张伟明",))
    assert {"ZWM", "WMZ"} <= initials(("Zhang", "Wei", "Ming"))
