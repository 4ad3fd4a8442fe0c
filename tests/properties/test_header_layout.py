"""A header scanned by the layout of another is as if it were scanned alone, or left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from schemas.dicom.header_layout import HeaderLayout
from schemas.dicom.header_scan import ScannedHeader, scan_header
from tests.builders import make_instance, to_bytes


def layout_of(raw: bytes) -> HeaderLayout:
    known = scan_header(raw)
    assert known is not None
    return HeaderLayout(known)


def comparable(found: ScannedHeader) -> ScannedHeader:
    return replace(found, places=dict(found.places), steps=())


def assert_same_or_none(layout: HeaderLayout, raw: bytes) -> ScannedHeader | None:
    found, alone = layout.follow(raw), scan_header(raw)
    if found is not None:
        assert alone is not None
        assert comparable(found) == comparable(alone)
    return found


def slice_bytes(elements: dict[str, Any], nested: list[str], *, implicit: bool) -> bytes:
    data = make_instance(modality="MR", **elements)
    items = []
    for text in nested:
        item = Dataset()
        item.ReferencedSOPInstanceUID = text
        item.is_undefined_length_sequence_item = True
        items.append(item)
    data.ReferencedImageSequence = Sequence(items)
    data["ReferencedImageSequence"].is_undefined_length = True
    data.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(
        0x0C, "IS", str(len(nested))
    )
    data.file_meta.TransferSyntaxUID = (
        ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    )
    return to_bytes(data)


ELEMENTS = st.fixed_dictionaries(
    {
        "SOPInstanceUID": st.sampled_from(["1.2.3", "1.2.3.44", "1.2.3.4444"]),
        "InstanceNumber": st.integers(0, 120),
        "SliceLocation": st.sampled_from([0.0, 12.5, -103.25]),
        "SeriesDescription": st.sampled_from(["", "ax t2", "ax t2 fs"]),
    },
    optional={"TriggerTime": st.sampled_from([2.5, 10.25])},
)
NESTED = st.lists(st.sampled_from(["1.2", "1.2.3.4", "1.22.333.4444"]), max_size=2)


@settings(max_examples=100, deadline=None)
@given(first=ELEMENTS, second=ELEMENTS, a=NESTED, b=NESTED, implicit=st.booleans())
def test_a_slice_scanned_by_another_is_as_if_alone(
    first: dict[str, Any], second: dict[str, Any], a: list[str], b: list[str], implicit: bool
) -> None:
    layout = layout_of(slice_bytes(first, a, implicit=implicit))
    found = assert_same_or_none(layout, slice_bytes(second, b, implicit=implicit))
    alike = first.keys() == second.keys() and len(a) == len(b)
    assert (found is not None) == alike


@settings(max_examples=200, deadline=None)
@given(
    places=st.lists(st.integers(130, 2000), min_size=1, max_size=4),
    value=st.integers(0, 255),
    cut=st.one_of(st.none(), st.integers(0, 3000)),
    implicit=st.booleans(),
)
def test_spoilt_bytes_are_never_scanned_otherwise_than_alone(
    places: list[int], value: int, cut: int | None, implicit: bool
) -> None:
    raw = slice_bytes({"InstanceNumber": 7}, ["1.2.3"], implicit=implicit)
    spoilt = bytearray(raw)
    for place in places:
        spoilt[place % len(raw)] = value
    assert_same_or_none(layout_of(raw), bytes(spoilt[:cut]))


def test_values_that_differ_are_told_wherever_they_moved_to() -> None:
    known = slice_bytes({"InstanceNumber": 7, "EchoTime": 2.5}, ["1.2"], implicit=False)
    other = slice_bytes({"InstanceNumber": 107, "EchoTime": 2.5}, ["1.2.3.4"], implicit=False)
    layout, scanned = layout_of(known), scan_header(known)
    assert scanned is not None
    watched = [
        (tag, value, value + length, known[value : value + length])
        for tag, (_, value, length) in scanned.places.items()
    ]
    found = layout.follow(other)
    assert found is not None
    assert [f"{tag:08x}" for tag in layout.differing(found, watched)] == ["00200013"]


@pytest.mark.parametrize("n", [1, 2])
def test_a_header_with_an_element_twice_is_no_layout_for_others(n: int) -> None:
    raw = slice_bytes({"InstanceNumber": 7}, [], implicit=False)
    element = b"\x18\x00\x60\x10DS\x02\x005 "
    at = raw.index(b"\x20\x00\x0d\x00UI")
    doubled = raw[:at] + element * n + raw[at:]
    assert (layout_of(doubled).follow(doubled) is None) == (n == 2)
