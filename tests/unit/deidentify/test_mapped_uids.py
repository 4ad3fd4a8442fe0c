"""A UID that is mapped without planning it is what the rules would have written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dicom.elements import RawElement, scan_file
from schemas.dicom.encode import element_parts
from tasks.deidentify.identifiers import harvest_element
from tasks.deidentify.mapped_uids import mapped_as_planned, uid_map
from tasks.deidentify.plan.actions import Context, Person
from tasks.deidentify.plan.plan import context_of, plan_element
from tasks.deidentify.rules.profile import ROOT, load_profile, tag_of
from tasks.deidentify.template import outcome_of
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import RING
from tests.unit.deidentify.test_memory import as_implicit


def context(raw: bytes) -> Context:
    return context_of(scan_file(raw), load_profile(), Person("S91-A", 400, RING.uid))


EXPLICIT = context(to_bytes(make_instance()))
IMPLICIT = context(as_implicit())
TAGS = [tag for tag in sorted(load_profile().rules[ROOT]) if uid_map(tag, "UI", EXPLICIT)]
REGISTERED = "1.2.840.10008.5.1.4.1.1.2"
PART = st.one_of(
    st.from_regex(r"[0-3](\.[0-9]{1,9}){0,9}", fullmatch=True),
    st.sampled_from([REGISTERED, "", "1", "1.", ".1", "1..2", "1.2 ", " 1.2", "1.２", "1.2\n"]),
    st.sampled_from(["1." + "2" * 61, "1." + "2" * 62, "1." + "2" * 63, "1." + "2" * 64]),
)


def require_as_planned(tag: int, value: bytes, of: Context) -> bool:
    map_uid = uid_map(tag, "UI", of)
    assert map_uid is not None
    mapped = map_uid(value)
    if mapped is None:
        return False
    element = RawElement(tag, "UI", value)
    planned = plan_element(element, {}, of)
    assert outcome_of(planned) == outcome_of(mapped_as_planned(tag, of))
    assert planned.out is not None
    assert element_parts(planned.out, of.encoding) == element_parts(mapped.out, of.encoding)
    assert (planned.out.value, planned.days) == (mapped.out.value, ())
    assert mapped.identifiers == harvest_element(element, of.charset) != frozenset()
    return True


@settings(max_examples=150, deadline=None)
@given(
    tag=st.sampled_from(TAGS),
    parts=st.lists(PART, min_size=1, max_size=2),
    padding=st.sampled_from(["", "\0", " ", "\0\0", "\n"]),
    of=st.sampled_from([EXPLICIT, IMPLICIT]),
)
def test_whatever_is_mapped_unplanned_is_planned_so(
    tag: int, parts: list[str], padding: str, of: Context
) -> None:
    require_as_planned(tag, ("\\".join(parts) + padding).encode(), of)


@pytest.mark.parametrize("value", [b"2.25.123456\0", b"1.2.840.113619.2.55.3.1", b"0.1\0"])
def test_usual_uids_are_mapped_unplanned(value: bytes) -> None:
    even = value + b"\0" * (len(value) % 2)
    assert tag_of("SOPInstanceUID") in TAGS
    assert require_as_planned(tag_of("SOPInstanceUID"), even, EXPLICIT)


@pytest.mark.parametrize(
    "value", [REGISTERED.encode() + b"\0", b"1.2.3", b"1.2\\1.3\0", b"1.2 ", b"", b"3.1\0"]
)
def test_other_values_are_left_to_the_rules(value: bytes) -> None:
    assert not require_as_planned(tag_of("SOPInstanceUID"), value, EXPLICIT)


def test_what_is_no_uid_by_its_rule_and_its_vr_is_left_to_the_rules() -> None:
    assert uid_map(tag_of("InstanceNumber"), "IS", EXPLICIT) is None
    assert uid_map(tag_of("SOPInstanceUID"), "LO", EXPLICIT) is None
    assert uid_map(tag_of("SOPInstanceUID"), None, IMPLICIT) is None
    assert uid_map(0x00990010, "UI", EXPLICIT) is None
