"""A file of a series, whatever it holds, is what it would be without the files before it."""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from schemas.dicom.elements import PIXEL_DATA, Header, scan_file
from schemas.dicom.encode import OutElement, encode_file
from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.replay import Memory, replay
from tasks.deidentify.rules.profile import load_profile, tag_of
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import RING, anyone

Values = dict[str, bytes]
_NUMBERS = (
    *(b"7", b"12", b" 7", b"7 ", b"7\0", b"+7", b"07", b"7.0", b"-103.25", b"1e2", b"1,5"),
    *(b"1,024", b"nan", b"0.569999992847443 ", b"12345678901234567890", b"1.\\2.\\3. ", b".5"),
    *(
        b"-25.0\\-20.0\\52.5 ",
        b"-25.0 \\ -20.0\\2.5",
        b"1\\0\\0\\0\\1\\0",
        b"1\\\\2",
        b"\\",
        b"1\\2",
    ),
)
_TIMES = (
    *(b"102000", b"102000.5 ", b"10", b"10:20:00", b"1020", b"2561", b"102000.1234567+0800 "),
    *(b"102000\0\0", b" 102000 ", b"102000\\102001 "),
)
_DATES = (
    *(b"20250306", b"2025.03.06", b"2025-03-06", b"20250306 ", b"20250306\0\0", b"19000101"),
    *(b"20251306", b"00010101", b"20250306\\20250307 ", b"99991231"),
)
_DATE_TIMES = (b"20250306102000", b"20250306102000.123456+0800", b"2025", b"20250306", b"20251399")
_UIDS = (
    *(b"1.2.3.4", b"1.2.3.4\0", b"1.2.3.4 ", b" 1.2.3.4", b"1.2.840.10008.1.2.1\0", b"1.2.3\n"),
    *(b"1.2.3\\1.2.4", b"Zhang 88123456", b"9" * 66, b"2.25." + b"1" * 200, b"1..2"),
)
_TEXTS = (
    *(b"t1 vibe", b"T1 VIBE FS ", b"t1\\t2 ", b"Zhang^Weiming", b"tra p2 \0", b"EP2D_DIFF b800"),
    *("肝脏 平扫".encode("gb18030"), "肝脏".encode(), b"\x1b$)A\xb8\xce", b"\xff\xfe", b"x" * 80),
)
_CODES = (b"FS", b"FS\\PFP", b"fs", b"HFS ", b"ABDOMEN", b"Zhang", b"ORIGINAL\\PRIMARY\\AXIAL ")


class _Kind(NamedTuple):
    vr: str
    values: tuple[bytes, ...]


def _packed(code: str, *numbers: float) -> tuple[bytes, ...]:
    return tuple(struct.pack(f"<{code}", number) for number in numbers)


_KINDS = {
    **dict.fromkeys(("SOPInstanceUID", "FrameOfReferenceUID"), _Kind("UI", _UIDS)),
    **dict.fromkeys(
        ("InstanceNumber", "AcquisitionNumber", "TemporalPositionIdentifier", "EchoTrainLength"),
        _Kind("IS", _NUMBERS),
    ),
    **dict.fromkeys(
        (
            *("SliceLocation", "ImagePositionPatient", "ImageOrientationPatient", "EchoTime"),
            *("TriggerTime", "PixelSpacing", "RescaleSlope", "SpacingBetweenSlices"),
        ),
        _Kind("DS", _NUMBERS),
    ),
    **dict.fromkeys(("ContentTime", "AcquisitionTime"), _Kind("TM", _TIMES)),
    **dict.fromkeys(("ContentDate", "AcquisitionDate", "StudyDate"), _Kind("DA", _DATES)),
    "AcquisitionDateTime": _Kind("DT", _DATE_TIMES),
    **dict.fromkeys(
        ("SeriesDescription", "ProtocolName", "DeviceSerialNumber", "ImageComments"),
        _Kind("LO", _TEXTS),
    ),
    **dict.fromkeys(("SequenceName", "ReceiveCoilName"), _Kind("SH", _TEXTS)),
    **dict.fromkeys(("ScanOptions", "BodyPartExamined", "ImageType"), _Kind("CS", _CODES)),
    **dict.fromkeys(("PatientName", "OperatorsName"), _Kind("PN", _TEXTS)),
    "PatientID": _Kind("LO", (b"PID000001 ", b"PID000001", b"OTHER1")),
    "SpecificCharacterSet": _Kind("CS", (b"ISO_IR 192", b"GB18030 ", b"ISO_IR 100")),
    "PixelPaddingValue": _Kind("US", (*_packed("H", 0, 63000), b"", b"1")),
    "BitsStored": _Kind("US", (*_packed("H", 12, 16, 8), b"")),
    "WindowCenter": _Kind("DS", _NUMBERS),
    "DiffusionBValue": _Kind("FD", (*_packed("d", 0.0, 800.0), b"20250306", b"", b"1")),
    "SiemensBValue": _Kind("IS", _NUMBERS),
    "SiemensDirection": _Kind("FD", (struct.pack("<3d", 0.6, 0, 0.8), *_packed("d", 1.0), b"")),
    "OfNobody": _Kind("LO", _TEXTS),
}
_PRIVATE = {"SiemensBValue": 0x0019100C, "SiemensDirection": 0x0019100E, "OfNobody": 0x00191099}
_NESTED = st.lists(st.sampled_from(["1.2.3", "1.2.3.44", "9.9"]), max_size=2)


def _tag(name: str) -> int:
    return _PRIVATE.get(name) or tag_of(name)


@cache
def _usual(nested: tuple[str, ...], *, implicit: bool) -> Header:
    data = make_instance(modality="MR")
    data.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x08, "CS", "IMAGE NUM 4")
    items = [Dataset() for _ in nested]
    for item, uid in zip(items, nested, strict=True):
        item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        item.ReferencedSOPInstanceUID = uid
    data.ReferencedImageSequence = Sequence(items)
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    data.file_meta.TransferSyntaxUID = syntax
    return scan_file(to_bytes(data))


def _file(values: Values, nested: list[str], n_more: int, *, implicit: bool) -> bytes:
    """One slice whose elements hold these bytes; lengths are even, as files must have them."""
    header = _usual(tuple(nested), implicit=implicit)
    elements = {
        e.tag: OutElement(e.tag, e.vr or "UN", e.value) for e in header.elements.values()
    } | {_tag(name): OutElement(_tag(name), _KINDS[name].vr, v) for name, v in values.items()}
    pixels = elements[PIXEL_DATA]
    longer = pixels.value + bytes(4)
    elements[PIXEL_DATA] = replace(pixels, value=longer[: len(pixels.value) + n_more])
    meta = [OutElement(e.tag, e.vr or "", e.value) for e in header.meta.values() if e.tag & 0xFFFF]
    return encode_file(meta, elements.values(), header.transfer_syntax)


@cache
def _plain(raw: bytes) -> object:
    """What becomes of a file alone: every field of its result, or what was raised."""
    return _result(raw, None)


def _result(raw: bytes, memory: Memory | None) -> object:
    try:
        done = deidentify_object(raw, load_profile(), anyone, RING.uid, memory)
    except Exception as error:
        return type(error)
    return done if isinstance(done, Refusal) else _fields(done)


def _fields(done: DeidentifiedObject) -> tuple[object, ...]:
    # By type too: 1 and 1.0 are equal, and are written differently into a table.
    features, facts = repr(done.features.record), repr(done.facts.record)
    return done, done.output, features, facts, done.days, done.identifiers


@st.composite
def _series(draw: st.DrawFn) -> list[bytes]:
    names = draw(st.lists(st.sampled_from(sorted(_KINDS)), min_size=1, max_size=5, unique=True))
    implicit = draw(st.booleans())
    random = st.binary(max_size=12)
    each = st.fixed_dictionaries(
        {n: st.one_of(st.sampled_from(_KINDS[n].values), st.just(b""), random) for n in names}
    )
    n_more = st.sampled_from([0, 0, 0, 0, 2, -2])
    files = st.tuples(each, _NESTED, n_more)
    found = draw(st.lists(files, min_size=2, max_size=4))
    return [_file(values, nested, more, implicit=implicit) for values, nested, more in found]


@settings(max_examples=60, deadline=None)
@given(raws=_series())
@pytest.mark.filterwarnings("ignore")  # odd values are the point
def test_every_field_is_the_one_of_a_file_that_came_alone(raws: list[bytes]) -> None:
    memory = Memory()
    # Twice: the second time the ways in which they differ are known.
    for raw in raws + raws:
        assert _result(raw, memory) == _plain(raw)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
@pytest.mark.parametrize("name", sorted(_KINDS))
def test_every_odd_value_in_every_attribute_is_as_if_alone(name: str, implicit: bool) -> None:
    memory = Memory()
    values = (*_KINDS[name].values, b"")
    raws = [_file({name: value}, [], 0, implicit=implicit) for value in values]
    for raw in [*raws, *raws]:
        assert _result(raw, memory) == _plain(raw)


@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
def test_usual_series_are_replayed(implicit: bool) -> None:
    usual: list[Values] = [
        {
            "SOPInstanceUID": b"1.2.3.%d" % number,
            "InstanceNumber": b"%d" % number,
            "ImagePositionPatient": b"-25.0\\-20.0\\%d.5" % number,
            "ContentTime": b"1020%02d.5" % number,
            "ContentDate": b"202503%02d" % number,
            "SiemensBValue": b"%d" % (number // 4 * 800),
            "OperatorsName": b"Li^%d" % number,
        }
        for number in range(1, 13)
    ]
    raws = [_file(values, ["1.2.3"], 0, implicit=implicit) for values in usual]
    memory = Memory()
    assert _result(raws[0], memory) == _plain(raws[0])
    for raw in raws[1:]:
        done = replay(raw, memory, load_profile(), anyone, RING.uid)
        assert done is not None
        assert _fields(done) == _plain(raw)
