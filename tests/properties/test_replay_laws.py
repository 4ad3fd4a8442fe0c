"""Whatever came before, a file is de-identified as if it came alone: bytes, facts and audit."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.replay import Memory
from tasks.deidentify.rules.profile import load_profile
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import RING, anyone

PROFILE = load_profile()
SLICE = st.fixed_dictionaries(
    {
        "InstanceNumber": st.integers(0, 120),
        "ImagePositionPatient": st.lists(st.integers(-90, 90), min_size=3, max_size=3),
        "AcquisitionTime": st.sampled_from(["101112", "101113.25", "", "noon"]),
        "ContentDate": st.sampled_from(["20250306", "20250307", ""]),
        "EchoTime": st.sampled_from([2.1, 4.2]),
        "SeriesDescription": st.sampled_from(["ax t2 fs", "dwi b800", "Zhang Weiming"]),
        "PatientComments": st.sampled_from(["", "Li Na, 13800138000"]),
        "OperatorsName": st.sampled_from(["Wang^Fang", "Zhao^Lei", ""]),
        "PatientID": st.sampled_from(["PID000001", "PID000002"]),
        "ReferencedImageSequence": st.lists(st.sampled_from(["1.2.3", "1.2.3.44"]), max_size=2),
        "b_value": st.sampled_from(["0", "800", "Wang"]),
        "study": st.integers(1, 2),
    }
)


def slice_bytes(elements: dict[str, Any], *, series: int, undefined: bool, implicit: bool) -> bytes:
    own = dict(elements)
    uids, b_value = own.pop("ReferencedImageSequence"), own.pop("b_value")
    data = make_instance(modality="MR", series=series, **own)
    items = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPInstanceUID = uid
        item.is_undefined_length_sequence_item = undefined
        items.append(item)
    data.ReferencedImageSequence = Sequence(items)
    data["ReferencedImageSequence"].is_undefined_length = undefined
    block = data.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "LO" if b_value == "Wang" else "IS", b_value)
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    data.file_meta.TransferSyntaxUID = syntax
    return to_bytes(data)


def deidentified(raw: bytes, memory: Memory | None) -> DeidentifiedObject | Refusal:
    return deidentify_object(raw, PROFILE, anyone, RING.uid, memory)


def require_as_if_alone(raw: bytes, memory: Memory) -> None:
    done, alone = deidentified(raw, memory), deidentified(raw, None)
    assert done == alone
    if isinstance(done, DeidentifiedObject) and isinstance(alone, DeidentifiedObject):
        assert done.output == alone.output


@pytest.mark.filterwarnings("ignore:Invalid value")
@settings(max_examples=20)
@given(
    series=st.lists(st.lists(SLICE, min_size=1, max_size=5), min_size=1, max_size=3),
    undefined=st.booleans(),
    implicit=st.booleans(),
)
def test_series_in_turns_are_deidentified_as_if_each_file_came_alone(
    series: list[list[dict[str, Any]]], undefined: bool, implicit: bool
) -> None:
    memory = Memory()
    numbered = [
        [slice_bytes(e, series=n, undefined=undefined, implicit=implicit) for e in slices]
        for n, slices in enumerate(series, start=1)
    ]
    for raw in filter(None, chain.from_iterable(zip_longest(*numbered))):
        require_as_if_alone(raw, memory)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2600), st.integers(0, 255)), min_size=1, max_size=3),
    cut=st.one_of(st.none(), st.integers(-700, 2600)),
)
def test_spoilt_bytes_after_a_sound_file_are_judged_as_if_they_came_alone(
    changes: list[tuple[int, int]], cut: int | None
) -> None:
    memory, sound = Memory(), to_bytes(make_instance(instance=1))
    deidentified(sound, memory)
    raw = bytearray(to_bytes(make_instance(instance=2)))
    for place, value in changes:
        raw[place % len(raw)] = value
    spoilt = bytes(raw[:cut])
    try:
        expected = deidentified(spoilt, None)
    except Exception as error:
        # A rule or the check of what was written raises: the caller holds the object.
        with pytest.raises(type(error)):
            deidentified(spoilt, memory)
        return
    assert deidentified(spoilt, memory) == expected
