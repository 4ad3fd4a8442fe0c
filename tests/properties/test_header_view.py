"""Features from the fast header view are those that pydicom gives."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.dicom.header_view import FeatureHarvest
from tests.builders import make_instance, to_bytes

ODD_FILES = sorted(
    path
    for path in (Path(pydicom.data.__file__).parent / "test_files").rglob("*")
    if path.is_file()
)


def fast(raw: bytes) -> InstanceFeatures | None:
    found = FeatureHarvest().read(raw)
    return None if found is None else found[1]


def reference(raw: bytes) -> InstanceFeatures | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read_features(pydicom.dcmread(BytesIO(raw)))
        except Exception:
            # No reference: pydicom raises many kinds on odd bytes.
            return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", ODD_FILES, ids=lambda path: path.name)
def test_odd_files_give_the_same_features_or_are_left_alone(path: Path) -> None:
    raw = path.read_bytes()
    assert fast(raw) in (None, reference(raw))


@pytest.mark.real_data
def test_real_files_give_the_same_features(real_dicom: Path) -> None:
    files = [p for p in sorted(real_dicom.rglob("*")) if p.is_file() and p.suffix != ".md"]
    for path in files[::7]:
        raw = path.read_bytes()
        found, expected = fast(raw), reference(raw)
        assert expected is not None
        in_frames = expected.number_of_frames or expected.grid_across
        assert found == expected or (found is None and in_frames)


TEXT = st.text("AbZ zÄéß张三 \\^_-0123456789", max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    implicit=st.booleans(),
    charset=st.sampled_from(["ISO_IR 192", "GB18030", "ISO_IR 100", None]),
    elements=st.fixed_dictionaries(
        {
            "SeriesDescription": st.sampled_from(["T1 动脉期", "ax t2 fs", "DWI b800", ""]),
            "EchoTime": st.one_of(st.none(), st.floats(0, 200).map(lambda v: round(v, 3))),
            "TemporalPositionIdentifier": st.integers(0, 9),
            "AcquisitionTime": st.sampled_from(["101112.5", "1011", "", "10"]),
            "ImageType": st.sampled_from([["ORIGINAL", "MOSAIC"], ["DERIVED"], []]),
        }
    ),
    b_value=st.sampled_from([None, 0, 800]),
    tiles=st.sampled_from([None, 1, 36]),
)
def test_any_header_gives_the_same_features(
    implicit: bool,
    charset: str | None,
    elements: dict[str, Any],
    b_value: int | None,
    tiles: int | None,
) -> None:
    if charset in (None, "ISO_IR 100"):
        elements["SeriesDescription"] = (
            elements["SeriesDescription"].encode("ascii", "ignore").decode()
        )
    kept = {keyword: value for keyword, value in elements.items() if value is not None}
    data = make_instance(modality="MR", **kept)
    if charset is None:
        del data.SpecificCharacterSet
    else:
        data.SpecificCharacterSet = charset
    if b_value is not None:
        data.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", b_value)
    if tiles is not None:
        data.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", tiles)
    data.file_meta.TransferSyntaxUID = (
        ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    )
    raw = to_bytes(data)
    found = fast(raw)
    assert found is not None
    assert found == reference(raw)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=500, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(140, 1700), st.integers(0, 255)), min_size=1, max_size=3)
)
def test_a_mutated_header_gives_the_same_features_or_is_left_alone(
    changes: list[tuple[int, int]],
) -> None:
    raw = bytearray(to_bytes(make_instance()))
    for place, value in changes:
        raw[place % len(raw)] = value
    found, expected = fast(bytes(raw)), reference(bytes(raw))
    assert found is None or expected is None or found == expected


@settings(max_examples=100, deadline=None)
@given(
    slices=st.lists(
        st.fixed_dictionaries(
            {
                "InstanceNumber": st.integers(0, 120),
                "ImagePositionPatient": st.lists(st.integers(-90, 90), min_size=3, max_size=3),
                "ContentTime": st.sampled_from(["101112.5", "10", ""]),
                "AcquisitionTime": st.sampled_from(["101112", "101113.25"]),
                "EchoTime": st.sampled_from([2.1, 4.2]),
                "SeriesDescription": st.sampled_from(["ax t2 fs", "T1 动脉期"]),
                "SeriesNumber": st.integers(1, 2),
            }
        ),
        min_size=2,
        max_size=6,
    ),
    b_values=st.lists(st.sampled_from([None, 0, 800]), min_size=6, max_size=6),
)
def test_one_slice_after_another_gives_what_each_gives_alone(
    slices: list[dict[str, Any]], b_values: list[int | None]
) -> None:
    harvest = FeatureHarvest()
    for number, (elements, b_value) in enumerate(zip(slices, b_values, strict=False)):
        data = make_instance(modality="MR", instance=number + 1, **elements)
        if b_value is not None:
            block = data.private_block(0x0019, "SIEMENS MR HEADER", create=True)
            block.add_new(0x0C, "IS", b_value)
        raw = to_bytes(data)
        found = harvest.read(raw)
        assert found is not None
        assert found[1] == reference(raw)


def test_an_agent_that_stands_in_a_sequence_is_left_to_the_full_parser() -> None:
    data = make_instance(modality="MR")
    agent = pydicom.Dataset()
    agent.CodeValue, agent.CodeMeaning = "440223009", "Gadoxetate"
    data.ContrastBolusAgentSequence = [agent]
    raw = to_bytes(data)
    known = reference(raw)
    assert known is not None
    assert (fast(raw), known.agent_class) == (None, "gadoxetate")
