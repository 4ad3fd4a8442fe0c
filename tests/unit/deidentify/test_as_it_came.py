"""A value that is said to go out as it came is what the rules would have written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dicom.deciding_attributes import load_deciding_attributes
from schemas.dicom.elements import RawElement, scan_file
from schemas.dicom.encode import element_parts
from tasks.deidentify.as_it_came import as_it_came, kept_as_it_came
from tasks.deidentify.identifiers import harvest_element
from tasks.deidentify.plan.actions import Context, Person, removed
from tasks.deidentify.plan.plan import context_of, is_removed_unread, plan_element
from tasks.deidentify.rules.profile import ROOT, load_profile, tag_of
from tasks.deidentify.template import outcome_of
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import RING
from tests.unit.deidentify.test_memory import as_implicit


def context(raw: bytes) -> Context:
    return context_of(scan_file(raw), load_profile(), Person("S91-A", 400, RING.uid))


EXPLICIT = context(to_bytes(make_instance()))
TAGS = sorted(load_profile().rules[ROOT])
TESTED = [(t, vr) for t in TAGS for vr in ("IS", "DS", "TM") if as_it_came(t, vr, EXPLICIT)]
PART = st.one_of(
    st.from_regex(r"[+-]?[0-9]{1,12}(\.[0-9]{0,7})?([eE][+-]?[0-9])?", fullmatch=True),
    st.sampled_from(["", " 1", "1 ", "nan", "inf", "1_0", "0x1", "１", ".5", "-0", "00", "1,5"]),
    st.from_regex(r"[0-3][0-9]([0-7][0-9]([0-7][0-9](\.[0-9]{0,7})?)?)?", fullmatch=True),
    st.text(max_size=3),
)


def require_as_planned(tag: int, vr: str, value: bytes) -> bool:
    test = as_it_came(tag, vr, EXPLICIT)
    assert test is not None
    if not test(value):
        return False
    element = RawElement(tag, vr, value)
    planned = plan_element(element, {}, EXPLICIT)
    assert outcome_of(planned) == outcome_of(kept_as_it_came(tag, vr, EXPLICIT))
    assert planned.out is not None
    assert planned.out.vr == vr
    assert element_parts(planned.out, EXPLICIT.encoding)[1] == value
    assert harvest_element(element, "") == frozenset()
    return True


@settings(max_examples=300, deadline=None)
@given(
    of=st.sampled_from(TESTED),
    parts=st.lists(PART, min_size=1, max_size=7),
    padding=st.sampled_from(["", " ", "  ", "\0", "\n"]),
)
def test_whatever_is_said_to_go_as_it_came_is_planned_so(
    of: tuple[int, str], parts: list[str], padding: str
) -> None:
    require_as_planned(*of, ("\\".join(parts) + padding).encode())


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("InstanceNumber", "IS", b"41"),
        ("InstanceNumber", "IS", b"7 "),
        ("ImagePositionPatient", "DS", b"-25.0\\-20.0\\102.5 "),
        ("SliceLocation", "DS", b"-103.5"),
        ("ContentTime", "TM", b"102000"),
        ("AcquisitionTime", "TM", b"102000.123456 "),
    ],
)
def test_usual_numbers_go_as_they_came(keyword: str, vr: str, value: bytes) -> None:
    assert require_as_planned(tag_of(keyword), vr, value)


@pytest.mark.parametrize(
    "value",
    [b"", b" 7", b"7", b"7\0", b"7  ", b"1.5 ", b"12\n\n", b"1\\ 2", b"123456789012", b"Zhang^"],
)
def test_what_is_not_plainly_a_number_is_planned(value: bytes) -> None:
    test = as_it_came(tag_of("InstanceNumber"), "IS", EXPLICIT)
    assert test is not None
    assert not test(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"10:20 ",
        b"240000",
        b"106000",
        b"102061",
        b"102000.1234567 ",
        b"1020+0800 ",
        b"10\\11 ",
    ],
)
def test_what_is_not_plainly_a_time_is_planned(value: bytes) -> None:
    test = as_it_came(tag_of("ContentTime"), "TM", EXPLICIT)
    assert test is not None
    assert not test(value)


def test_more_values_than_an_attribute_has_are_planned() -> None:
    test = as_it_came(tag_of("SliceLocation"), "DS", EXPLICIT)
    assert test is not None
    assert not test(b"1.0\\2.00")


def test_what_is_no_number_by_its_rule_or_its_vr_is_planned() -> None:
    assert as_it_came(tag_of("SOPInstanceUID"), "UI", EXPLICIT) is None
    assert as_it_came(tag_of("PatientName"), "DS", EXPLICIT) is None
    assert as_it_came(tag_of("InstanceNumber"), "LO", EXPLICIT) is None
    assert as_it_came(tag_of("InstanceNumber"), None, EXPLICIT) is None
    assert as_it_came(tag_of("InstanceNumber"), "IS", context(as_implicit())) is None
    assert as_it_came(0x00191001, "IS", EXPLICIT) is None


@settings(max_examples=200, deadline=None)
@given(
    tag=st.one_of(st.sampled_from(TAGS), st.integers(0x00080000, 0x7FE0000F)),
    vr=st.sampled_from([None, "UN", "LO", "DS", "UI", "DA", "PN", "US"]),
    value=st.one_of(st.binary(max_size=9), st.sampled_from([b"20250306", b"1.2.3 ", b"Li^1"])),
)
def test_what_is_removed_unread_is_removed_by_the_plan(
    tag: int, vr: str | None, value: bytes
) -> None:
    creators = {0x00190010: "SIEMENS MR HEADER", 0x00290010: "Zhang^Weiming", 0x00290011: ""}
    for at in (tag, 0x00191000 | tag & 0xFF, 0x00291000 | tag & 0xFF, 0x00431000 | tag & 0xFF):
        if is_removed_unread(at, creators, EXPLICIT):
            planned = plan_element(RawElement(at, vr, value), creators, EXPLICIT)
            assert outcome_of(planned) == outcome_of(removed(at))


def test_what_decides_something_is_never_removed_unread() -> None:
    for tag in load_deciding_attributes().public:
        element = RawElement(tag, None, b"1 ")
        lost = plan_element(element, {}, EXPLICIT).lost
        assert not (lost and is_removed_unread(tag, {}, EXPLICIT))
    ruled = load_profile().rules[ROOT]
    assert set(load_deciding_attributes().public) - set(ruled)


def test_most_of_what_no_rule_names_is_removed_unread() -> None:
    for keyword in ("InstanceCreationTime", "OperatorsName"):
        assert is_removed_unread(tag_of(keyword), {}, EXPLICIT) == (
            tag_of(keyword) not in load_profile().rules[ROOT]
        )
    assert is_removed_unread(0x00290010 + 0x1000, {0x00290010: "SIEMENS CSA NON-IMAGE"}, EXPLICIT)
    assert not is_removed_unread(0x0019100C, {0x00190010: "SIEMENS MR HEADER"}, EXPLICIT)
    assert not is_removed_unread(0x0019100C, {}, EXPLICIT)
