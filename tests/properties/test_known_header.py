"""A file told by one of its series is as if it were scanned alone, or left alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from schemas.dicom.elements import PIXEL_DATA, encoding_of, scan_file, scan_places
from schemas.dicom.known_header import Followed, KnownHeader, can_be_known
from schemas.dicom.scan_errors import ScanError
from tests.builders import make_instance, to_bytes


def known_of(raw: bytes) -> KnownHeader:
    syntax, places = scan_places(raw)
    assert can_be_known(raw, places)
    return KnownHeader(raw, places, encoding_of(syntax))


def assert_same_or_none(known_raw: bytes, raw: bytes, *before: bytes) -> Followed | None:
    """Hold what follows against both ways to scan a file: by places, and every element.

    Files that came before it teach in what a series differs: that changes nothing.
    """
    alone, known = known_of(known_raw).follow(raw), known_of(known_raw)
    for other in before:
        known.follow(other)
    for _ in range(2):
        found = known.follow(raw)
        assert (found is None) == (alone is None)
        if found is not None and alone is not None:
            assert found.changed == alone.changed
            assert list(found.places.items()) == list(alone.places.items())
    if found is not None:
        syntax, places = scan_places(raw)
        assert list(found.places.values()) == places
        known_bytes = {p.tag: known_raw[p.start : p.end] for p in scan_places(known_raw)[1]}
        after = {p.tag: raw[p.start : p.end] for p in places}
        differ = [tag for tag in after if after[tag] != known_bytes[tag] and tag != PIXEL_DATA]
        assert list(found.changed) == differ
        assert_whole_scan_agrees(raw, syntax, found)
    return found


def assert_whole_scan_agrees(raw: bytes, syntax: str, found: Followed) -> None:
    try:
        whole = scan_file(raw)
    except ScanError:
        # Only inside of a sequence that states its length, or within pixels cut short.
        return
    assert whole.transfer_syntax == syntax
    assert list(found.places.values()) == list(whole.places)


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
@given(first=ELEMENTS, second=ELEMENTS, third=ELEMENTS, a=NESTED, b=NESTED, implicit=st.booleans())
def test_a_slice_scanned_by_another_is_as_if_alone(
    first: dict[str, Any],
    second: dict[str, Any],
    third: dict[str, Any],
    a: list[str],
    b: list[str],
    implicit: bool,
) -> None:
    known = slice_bytes(first, a, implicit=implicit)
    before = slice_bytes(third, a, implicit=implicit)
    found = assert_same_or_none(known, slice_bytes(second, b, implicit=implicit), before)
    # The private block says how many items there are, which may be any number.
    assert (found is not None) == (first.keys() == second.keys())


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
    # In what the series differs, the spoilt bytes may stand in a length that is read again.
    other = slice_bytes(
        {"InstanceNumber": 107, "SOPInstanceUID": "1.2.3.4"}, ["1.2.3.4"], implicit=implicit
    )
    spoilt = bytearray(raw)
    for place in places:
        spoilt[place % len(raw)] = value
    assert_same_or_none(raw, bytes(spoilt[:cut]), other)


def test_elements_that_differ_are_named_wherever_they_moved_to() -> None:
    known = slice_bytes({"InstanceNumber": 7, "EchoTime": 2.5}, ["1.2"], implicit=False)
    other = slice_bytes({"InstanceNumber": 107, "EchoTime": 2.5}, ["1.2.3.4"], implicit=False)
    found = assert_same_or_none(known, other)
    assert found is not None
    assert [f"{tag:08x}" for tag in found.changed] == ["00081140", "00200013"]


@pytest.mark.parametrize("nested", [["1.2"], ["1.4"], ["1.2", "1.2"], []])
@pytest.mark.parametrize("implicit", [True, False])
def test_what_differs_inside_of_a_sequence_is_seen(nested: list[str], implicit: bool) -> None:
    known = slice_bytes({"InstanceNumber": 7}, ["1.2"], implicit=implicit)
    found = assert_same_or_none(
        known, slice_bytes({"InstanceNumber": 7}, nested, implicit=implicit)
    )
    assert found is not None
    assert (0x00081140 in found.changed) == (nested != ["1.2"])


def test_pixels_may_be_others_and_of_another_length() -> None:
    known = slice_bytes({"InstanceNumber": 7}, [], implicit=False)
    data = make_instance(modality="MR", InstanceNumber=7)
    assert known.endswith(data.PixelData)
    head = known[: -len(data.PixelData)]
    for pixels in (bytes(640), b"\1\2" * 320):
        longer = head[:-4] + len(pixels).to_bytes(4, "little") + pixels
        found = assert_same_or_none(known, longer)
        assert found is not None
        assert found.changed == ()
        assert longer[found.places[PIXEL_DATA].begin :] == pixels


def test_a_file_in_another_transfer_syntax_never_follows() -> None:
    known = slice_bytes({"InstanceNumber": 7}, [], implicit=False)
    other = known.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0")
    assert other != known
    assert known_of(known).follow(other) is None


@pytest.mark.parametrize("n", [1, 2])
def test_by_a_header_with_an_element_twice_no_other_is_told(n: int) -> None:
    raw = slice_bytes({"InstanceNumber": 7}, [], implicit=False)
    element = b"\x18\x00\x60\x10DS\x02\x005 "
    at = raw.index(b"\x20\x00\x0d\x00UI")
    doubled = raw[:at] + element * n + raw[at:]
    assert can_be_known(doubled, scan_places(doubled)[1]) == (n == 1)
