"""Our scanner against pydicom, which is the oracle, in every encoding."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from schemas.dicom.elements import scan_file, walk
from schemas.dicom.encode import OutElement, encode_file
from schemas.dicom.scan_errors import NotDicomError, ScanError
from tests.builders import make_instance, to_bytes

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


def with_sequence(*, undefined: bool) -> Dataset:
    inner, middle = Dataset(), Dataset()
    inner.CodeMeaning = "deep"
    middle.AnatomicRegionSequence = [inner, Dataset()]
    data = make_instance(ReferencedStudySequence=[middle])
    for element in (data["ReferencedStudySequence"], middle["AnatomicRegionSequence"]):
        element.is_undefined_length = undefined
    middle.is_undefined_length_sequence_item = undefined
    return data


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: UID(uid).name)
@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined"])
def test_the_same_elements_are_found_as_by_pydicom(syntax: UID, undefined: bool) -> None:
    data = with_sequence(undefined=undefined)
    data.file_meta.TransferSyntaxUID = syntax
    data["PixelData"].VR = "OW"
    raw = to_bytes(data)
    oracle = dcmread(BytesIO(raw))
    ours = scan_file(raw)
    assert list(ours.elements) == [int(e.tag) for e in oracle.elements()]
    assert [e.value for e in walk(ours.elements) if e.tag == 0x00080104] == [b"deep"]
    assert ours.get(0x7FE00010) == oracle.PixelData


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm"]
)
def test_pydicoms_own_files_scan_alike(name: str) -> None:
    path = get_testdata_file(name)
    with open(str(path), "rb") as stream:  # noqa: PTH123  pydicom gives a string
        raw = stream.read()
    oracle = dcmread(BytesIO(raw))
    ours = scan_file(raw)
    until_pixels = [int(e.tag) for e in oracle.elements() if e.tag <= 0x7FE00010]
    assert list(ours.elements) == until_pixels
    assert ours.get(0x7FE00010) == oracle.get_item(0x7FE00010).value


@pytest.mark.parametrize("cut", range(140, 1000, 37))
def test_a_file_cut_anywhere_in_its_header_never_scans_to_pixels(cut: int) -> None:
    raw = to_bytes(make_instance())[:cut]
    try:
        elements = scan_file(raw).elements
    except ScanError:
        return
    assert 0x7FE00010 not in elements


def test_a_file_that_is_no_dicom_says_so() -> None:
    with pytest.raises(NotDicomError):
        scan_file(b"PK\x03\x04" + bytes(500))


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: UID(uid).name)
def test_pydicom_reads_what_we_write(syntax: UID) -> None:
    item = (OutElement(0x00080104, "LO", "肝脏".encode()),)
    raw = encode_file(
        [OutElement(0x00020010, "UI", syntax.encode())],
        [
            OutElement(0x00080005, "CS", b"ISO_IR 192"),
            OutElement(0x00081032, "SQ", items=(item, item)),
            OutElement(0x00100020, "LO", b"odd"),
        ],
        syntax,
    )
    read = dcmread(BytesIO(raw))
    assert read.PatientID == "odd"
    assert [i.CodeMeaning for i in read.ProcedureCodeSequence] == ["肝脏", "肝脏"]
