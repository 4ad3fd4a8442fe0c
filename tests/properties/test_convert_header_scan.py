"""The fast header reader says what pydicom says, or leaves the file to pydicom."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tasks.convert.facts_harvest import SeriesFacts
from tasks.convert.source import PixelFacts
from tasks.convert.store_source import read_facts_with_pydicom
from tests.builders import make_instance, to_bytes
from tests.unit.convert.test_source import csa_header

ODD_FILES = sorted(
    path
    for path in (Path(pydicom.data.__file__).parent / "test_files").rglob("*")
    if path.is_file()
)


def reference(raw: bytes) -> PixelFacts | None:
    """Return what the full parser says; None where it cannot read the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(raw)
        try:
            return read_facts_with_pydicom(path)
        except Exception:
            return None


def scanned(raw: bytes) -> PixelFacts | None:
    return SeriesFacts().read(raw, size_bytes=len(raw))


@pytest.mark.parametrize("path", ODD_FILES, ids=lambda path: path.name)
def test_odd_files_are_read_alike_or_left_alone(path: Path) -> None:
    raw = path.read_bytes()
    assert scanned(raw) in (None, reference(raw))


@st.composite
def nested(draw: st.DrawFn, depth: int = 3) -> Dataset:
    """Return a dataset with wanted keywords at any depth, undefined lengths at will."""
    data = Dataset()
    data.Rows = draw(st.integers(0, 65535))
    data.RescaleSlope = draw(st.sampled_from(["1", "2.5", "-1e-3"]))
    if depth and draw(st.booleans()):
        items = draw(st.lists(nested(depth - 1), max_size=3))
        for item in items:
            item.is_undefined_length_sequence_item = draw(st.booleans())
        data.DerivationCodeSequence = Sequence(items)
        data["DerivationCodeSequence"].is_undefined_length = draw(st.booleans())
    return data


@settings(max_examples=100, deadline=None)
@given(
    item=nested(),
    undefined=st.booleans(),
    implicit=st.booleans(),
    private=st.binary(max_size=400),
    elements=st.fixed_dictionaries(
        {
            "RescaleSlope": st.sampled_from([1.0, 0.5, -2.0, None]),
            "RescaleIntercept": st.sampled_from([0.0, -1024.0, None]),
            "PixelRepresentation": st.sampled_from([0, 1]),
        }
    ),
)
def test_any_nesting_is_read_alike(
    item: Dataset, undefined: bool, implicit: bool, private: bytes, elements: dict[str, Any]
) -> None:
    data = make_instance(**elements)
    data.SourceImageSequence = Sequence([item])
    data["SourceImageSequence"].is_undefined_length = undefined
    data.private_block(0x0029, "ANY VENDOR", create=True).add_new(0x10, "OB", private)
    data.file_meta.TransferSyntaxUID = (
        ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    )
    raw = to_bytes(data)
    found = scanned(raw)
    assert found is not None
    assert found == reference(raw)


#: Where a private direction stands, and its VR where the vendor tells it.
DIRECTIONS = {
    "Siemens": (0x0019, "SIEMENS MR HEADER", {0x0E: struct.pack("<3d", 0, 0.6, 0.8)}),
    "Philips": (
        0x2005,
        "Philips MR Imaging DD 001",
        dict(zip((0xB0, 0xB1, 0xB2), map(struct.Struct("<f").pack, (0.0, 0.6, 0.8)), strict=True)),
    ),
    "UIH": (0x0065, "Image Private Header", {0x37: struct.pack("<3d", 0, 0.6, 0.8)}),
    "GE": (0x0019, "GEMS_ACQU_01", {0xBB: b"0 ", 0xBC: b"0.6 ", 0xBD: b"-0.8"}),
}


@pytest.mark.parametrize("vendor", DIRECTIONS)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_directions_whose_vr_an_archive_did_not_know_are_read_alike(
    vendor: str, syntax: UID
) -> None:
    group, creator, values = DIRECTIONS[vendor]
    data = make_instance(
        modality="MR",
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        InPlanePhaseEncodingDirection="COL",
    )
    block = data.private_block(group, creator, create=True)
    for offset, value in values.items():
        block.add_new(offset, "UN", value)
    data.file_meta.TransferSyntaxUID = syntax
    raw = to_bytes(data)
    found = scanned(raw)
    assert found is not None
    assert found == reference(raw)
    assert found.gradient_lps == pytest.approx((0, 0.6, 0.8))


@settings(max_examples=60, deadline=None)
@given(
    image_type=st.sampled_from(
        [["ORIGINAL", "PRIMARY", "M", "MOSAIC"], ["ORIGINAL", "MOSAICS"], ["ORIGINAL", "PRIMARY"]]
    ),
    tags=st.fixed_dictionaries(
        {"SliceNormalVector": st.sampled_from([["0", "0.6", "0.8"], ["0", "0", "2"], ["1"], []])},
        optional={"NumberOfImagesInMosaic": st.sampled_from([["4"], ["45"], ["0"], ["x"]])},
    ),
    spacing=st.sampled_from(["3", "3.3", "-1", None]),
    cut=st.integers(0, 200),
    n_blocks=st.integers(0, 2),
    implicit=st.booleans(),
)
def test_the_layout_of_any_mosaic_is_read_alike_or_left_alone(
    image_type: list[str],
    tags: dict[str, list[str]],
    spacing: str | None,
    cut: int,
    n_blocks: int,
    implicit: bool,
) -> None:
    given_spacing: dict[str, Any] = {} if spacing is None else {"SpacingBetweenSlices": spacing}
    data = make_instance(ImageType=image_type, **given_spacing)
    csa = csa_header(tags)
    for n in range(n_blocks):
        creator = pydicom.dataelem.DataElement(0x00290010 + n, "LO", "SIEMENS CSA HEADER")
        data.add(creator)
        data.add_new(0x00291010 + n * 0x100, "OB", csa[: len(csa) - cut % 3 * 40])
    data.file_meta.TransferSyntaxUID = (
        ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    )
    raw = to_bytes(data)
    found = scanned(raw)
    assert found in (None, reference(raw))
    expected = reference(raw)
    if expected is not None and expected.mosaic is not None and n_blocks == 1:
        assert found is not None


@settings(max_examples=1000, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 1700), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.one_of(st.none(), st.integers(0, 2000)),
)
@example(changes=[(1160, 0)], cut=None)
def test_a_mutated_header_is_read_alike_or_left_alone(
    changes: list[tuple[int, int]], cut: int | None
) -> None:
    raw = bytearray(to_bytes(make_instance()))
    for place, value in changes:
        raw[place % len(raw)] = value
    spoiled = bytes(raw[:cut])
    found = scanned(spoiled)
    expected = reference(spoiled)
    # Where pydicom gives up, nothing fast is believed further than the proof reads it.
    assert found is None or expected is None or found == expected
