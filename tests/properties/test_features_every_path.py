"""What is harvested from a header is declared once and arrives on every path, or is no path.

The oracle is pydicom reading the whole file. The paths are the fast view of one header, of
slices one after another and in turns with other series, the folder readers of conversion and
labels, and de-identification, plain and replayed.
"""

from __future__ import annotations

import itertools
import struct
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from schemas.dicom import features as features_module
from schemas.dicom.feature_values import codes_of
from schemas.dicom.features import InstanceFeatures, _Field, read_features
from schemas.dicom.header_values import ATTRIBUTES, NotPlainError, plain_value
from schemas.dicom.header_view import FeatureHarvest
from schemas.dicom.unlabelled_text import repair_texts
from tasks.convert.store_scan import read_headers
from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.replay import Memory, replay
from tasks.deidentify.rules.profile import load_profile
from tasks.harmonise.store import label_folder
from tasks.simulate.people.hospitals import HOSPITALS
from tests.builders import make_instance, make_series, to_bytes, write_files
from tests.unit.deidentify.helpers import RING, anyone
from tests.unit.simulate.exams import by_series, full_export


def oracle(raw: bytes, *, repairs: bool = False, just_written: bool = False) -> InstanceFeatures:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(BytesIO(raw))
        if repairs:
            repair_texts(header)
        return read_features(header, just_written=just_written)


def with_syntax(data: Dataset, syntax: str) -> bytes:
    data.file_meta.TransferSyntaxUID = UID(syntax)
    return to_bytes(data)


@pytest.fixture
def another_keyword(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A keyword that the reader harvests from today on, and that no other code has heard of."""
    keyword = "RotationDirection"
    assert keyword not in ATTRIBUTES
    fields = features_module._fields()
    scan_options = _Field(lambda header: codes_of(header, keyword), (keyword,))
    monkeypatch.setattr(
        features_module, "_fields", lambda: {**fields, "scan_options": scan_options}
    )
    # Workers are forked from here and know the keyword; a server of workers would not.
    monkeypatch.setattr("schemas.run.forking.threading.active_count", lambda: 1)
    features_module._fields_of_tag.cache_clear()
    yield keyword
    features_module._fields_of_tag.cache_clear()


def test_a_keyword_added_to_the_reader_arrives_from_a_folder_in_conversion_and_labels(
    another_keyword: str, tmp_path: Path
) -> None:
    shared: dict[str, Any] = {another_keyword: "CW"}
    slices = make_series(n_slices=4, **shared)
    paths = write_files(tmp_path, slices)
    converted = read_headers(list(enumerate(paths, start=1)), workers=1)
    labelled = label_folder(tmp_path, workers=1)
    assert [s.features.scan_options for s in converted if s.features] == [("CW",)] * 4
    found = [file.features for file in labelled.files if file.features]
    assert [features.scan_options for features in found] == [("CW",)] * 4


def test_the_fast_view_leaves_a_header_it_cannot_answer_for_to_the_full_parser(
    another_keyword: str,
) -> None:
    assert FeatureHarvest().read(to_bytes(make_instance())) is None


def test_a_keyword_added_to_the_reader_is_read_again_where_slices_differ_in_it(
    another_keyword: str,
) -> None:
    # The allow-list keeps it, so it stands in what is delivered.
    memory, raws = Memory(), []
    for number, value in enumerate(["HFS", "CW", "HFP", "FFP", "HFDL"]):
        elements: dict[str, Any] = {another_keyword: value}
        raws.append(to_bytes(make_instance(instance=number + 1, **elements)))
    for raw in raws[:3]:
        deidentify_object(raw, load_profile(), anyone, RING.uid, memory)
    for raw in raws[3:]:
        plain = deidentify_object(raw, load_profile(), anyone, RING.uid)
        # The replay cannot answer for it, and leaves the file to the plain path.
        assert replay(raw, memory, load_profile(), anyone, RING.uid) is None
        again = deidentify_object(raw, load_profile(), anyone, RING.uid, memory)
        assert isinstance(plain, DeidentifiedObject)
        assert again == plain
        features = plain.features.record
        assert features == replace(
            oracle(b"".join(plain.parts), just_written=True), subject_id=features.subject_id
        )


def test_every_declared_keyword_is_fast_and_is_what_the_standard_says() -> None:
    declared = {k for field in features_module._fields().values() for k in field.keywords}
    assert declared <= ATTRIBUTES.keys()
    for keyword, (tag, vr) in ATTRIBUTES.items():
        assert tag == tag_for_keyword(keyword)
        assert vr in dictionary_VR(tag).split(" or ")


class Recording(Dataset):
    """A header that takes down what it is asked for."""

    def __getattr__(self, keyword: str) -> Any:
        if keyword[0].isupper():
            self.__dict__.setdefault("asked_for", set()).add(keyword)
        return super().__getattr__(keyword)


@pytest.mark.parametrize("name", features_module._fields())
def test_a_field_is_read_from_the_attributes_it_declares_and_no_others(name: str) -> None:
    field = features_module._fields()[name]
    for data in (Dataset(), make_instance(), make_instance(modality="MR")):
        header = Recording()
        header.update(data)
        field.read(header)
        assert header.__dict__.get("asked_for", set()) <= set(field.keywords)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_ge_private_attributes_nobody_asks_for_do_not_cost_the_fast_path(syntax: str) -> None:
    data = make_instance(modality="MR", Manufacturer="GE MEDICAL SYSTEMS")
    block = data.private_block(0x0043, "GEMS_PARM_01", create=True)
    block.add_new(0x03, "SS", 7)
    block.add_new(0x0C, "UN", b"\x01\x02\x03")
    block.add_new(0x39, "IS", [1000000800, 8, 0, 0])
    raw = with_syntax(data, syntax)
    found = FeatureHarvest().read(raw)
    assert found is not None
    assert found[1] == oracle(raw)
    assert found[1].b_value == 800


#: A private sequence in a file that does not tell its VR: of implicit elements (PS3.5 6.2.2).
_ITEM_OF_UNKNOWN = (
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff"  # an item of undefined length
    b"\x05\x20\x0e\x10\x04\x00\x00\x00\x00\x00\x80\x3f"
    b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
)
_SEQUENCE_OF_UNKNOWN = b"\x05\x20\x80\x10UN\0\0\xff\xff\xff\xff" + _ITEM_OF_UNKNOWN
_PIXELS = b"\xe0\x7f\x10\x00O"

#: Where a private b-value stands, in the bytes of its vendor's VR.
B_VALUES = {
    "Siemens": (0x0019, "SIEMENS MR HEADER", 0x0C, b"800 "),
    "GE": (0x0043, "GEMS_PARM_01", 0x39, rb"1000000800\8\0\0 "),
    "Philips": (0x2001, "Philips Imaging DD 001", 0x03, struct.pack("<f", 800)),
    "UIH": (0x0065, "Image Private Header", 0x09, struct.pack("<d", 800)),
}


@pytest.mark.parametrize("vendor", B_VALUES)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_private_attributes_whose_vr_an_archive_did_not_know_keep_value_and_fast_path(
    vendor: str, syntax: str
) -> None:
    """Archives write UN, or implicit VR; UN of undefined length where there was a sequence."""
    group, creator, offset, value = B_VALUES[vendor]
    data = make_instance(modality="MR")
    block = data.private_block(group, creator, create=True)
    block.add_new(offset, "UN", value)
    raw = with_syntax(data, syntax)
    if syntax == ExplicitVRLittleEndian:
        raw = raw.replace(_PIXELS, _SEQUENCE_OF_UNKNOWN + _PIXELS, 1)
        assert _SEQUENCE_OF_UNKNOWN in raw
    found = FeatureHarvest().read(raw)
    assert found is not None
    assert found[1] == oracle(raw)
    assert found[1].b_value == 800


def test_public_attributes_of_unknown_vr_are_read_as_the_full_parser_does() -> None:
    told = to_bytes(make_instance(EchoTime=4.2, ScanOptions="FS"))
    untold = told.replace(b"\x18\x00\x81\x00DS\x04\x00", b"\x18\x00\x81\x00UN\0\0\x04\0\0\0")
    assert untold != told
    found = FeatureHarvest().read(untold)
    assert found is not None
    assert found[1] == oracle(untold) == oracle(told)


#: Whole characters, halves of one, and escapes, of the character sets East Asia writes.
PIECES = [
    *(b"ax ", b"T2 ", b"^", b" ", b"\\", b"\0", b"\n", b"\x1b"),
    *(b"\x1b(B", b"\x1b$A", b"\x1b$)A", b"\x1b$)C", b"\x1b$B", b"\x1b$(D", b"\x1b)I", b"\x1b(J"),
    *("动脉期".encode(codec) for codec in ("gb2312", "utf-8")),
    *(b"\x1b$)A" + text.encode("gb18030") for text in ("动脉期", "门静脉", "动脉", "期", "镕")),
    *("\U00020000".encode("gb18030"), "동맥".encode("euc_kr"), "動脈".encode("iso2022_jp")),
    *(b"\x1b$)C" + "동맥".encode("euc_kr"), "動脈".encode("shift_jis"), "é".encode("latin-1")),
    *(b"\xb6\xaf", b"\x81\\", b"\x816", b"\xe5\x8a", b"\x1b$B\x46", b"\x1b$(D\x30"),
    *(b"\xb6", b"\x81", b"\xff", b"\x1b$)A\xb6", b"\x1b$)A\xe9F", b"\x1b$)C\xb5"),
]
CHARSETS = [
    *("\\ISO 2022 IR 58", "ISO 2022 IR 6\\ISO 2022 IR 58", "ISO 2022 IR 100\\ISO 2022 IR 58"),
    *("", "ISO_IR 6", "ISO_IR 100", "ISO_IR 192", "GB18030", "GBK", "ISO 2022 GBK", "ISO_IR 13"),
    *("\\ISO 2022 IR 149", "ISO 2022 IR 6\\ISO 2022 IR 149", "\\GB18030"),
    *("\\ISO 2022 IR 87", "ISO 2022 IR 13\\ISO 2022 IR 87", "\\ISO 2022 IR 87\\ISO 2022 IR 159"),
    *("\\ISO 2022 IR 159", " ISO_IR 192", " GB18030", " \\ISO 2022 IR 58", "ISO_IR 192 "),
]
LONE_LEAD_BYTE = [b"\x1b$)A\xb6\xaf\xc2\xf6\xc6\xda", b"\xb6", b"\x1b$)A\xe9F"]
ESCAPE_IN_A_WORD = [b"\x1b$)A\xb6\xaf\xc2\xf6", b"\x1b$)A\xc6\xda"]
SPACE_BEFORE_THE_LABEL = ["动脉期".encode()]


@settings(max_examples=100)
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=5),
    charset=st.sampled_from(["\\ISO 2022 IR 58", "ISO 2022 IR 6\\ISO 2022 IR 58", "GB18030"]),
)
@example(pieces=LONE_LEAD_BYTE, charset="\\ISO 2022 IR 58")
@example(pieces=LONE_LEAD_BYTE[:2], charset="\\ISO 2022 IR 58")
@example(pieces=ESCAPE_IN_A_WORD, charset="\\ISO 2022 IR 58")
def test_text_after_escapes_is_read_as_the_full_parser_does_or_left_to_it(
    pieces: list[bytes], charset: str
) -> None:
    value = b"".join(pieces)
    placeholder = "X" * len(value)
    data = make_instance(
        SpecificCharacterSet=charset, SeriesDescription=placeholder, PatientName="A"
    )
    raw = to_bytes(data).replace(placeholder.encode(), value) if value else to_bytes(data)
    found = FeatureHarvest().read(raw)
    assert found is None or found[1] == oracle(raw)


def test_a_label_with_a_nul_in_it_is_left_to_the_full_parser() -> None:
    raw = to_bytes(make_instance(SpecificCharacterSet="ISO_IR 192", SeriesDescription="ax T2"))
    assert FeatureHarvest().read(raw) is not None
    assert FeatureHarvest().read(raw.replace(b"ISO_IR 192", b"ISO\0IR 192")) is None


def raw_element(keyword: str, vr: str, value: bytes) -> RawDataElement:
    return RawDataElement(Tag(keyword), vr, len(value), value, 0, False, True)


@settings(max_examples=1000)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=5), charset=st.sampled_from(CHARSETS))
@example(pieces=LONE_LEAD_BYTE, charset="\\ISO 2022 IR 58")
@example(pieces=ESCAPE_IN_A_WORD, charset="\\ISO 2022 IR 58")
@example(pieces=SPACE_BEFORE_THE_LABEL, charset=" ISO_IR 192")
def test_a_text_in_any_character_set_is_pydicoms_to_the_letter_or_left_to_it(
    pieces: list[bytes], charset: str
) -> None:
    value = b"".join(pieces)
    try:
        found = plain_value("LO", value, charset.encode())
    except NotPlainError:
        return
    label = raw_element("SpecificCharacterSet", "CS", charset.encode())
    text = raw_element("SeriesDescription", "LO", value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encodings = convert_encodings(convert_raw_data_element(label).value)
        assert found == (convert_raw_data_element(text, encoding=encodings).value or "")


@pytest.mark.parametrize(
    ("charset", "value"),
    [
        ("\\ISO 2022 IR 58", b"ax \x1b$)A" + "动脉期".encode("gb2312")),
        ("GB18030", "动脉期镕".encode("gb18030")),
        ("ISO_IR 192 ", "动脉期".encode()),
    ],
)
def test_clean_chinese_does_not_cost_the_fast_path_and_half_a_character_does(
    charset: str, value: bytes
) -> None:
    assert "动脉期" in plain_value("LO", value, charset.encode())
    with pytest.raises(NotPlainError):
        plain_value("LO", value + value[-3:-2], charset.encode())


#: Deflated and big endian.
SLOW = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
SLICE = st.fixed_dictionaries(
    {
        "InstanceNumber": st.integers(0, 120),
        "ImagePositionPatient": st.lists(st.integers(-90, 90), min_size=3, max_size=3),
        "AcquisitionTime": st.sampled_from(["101112", "101113.25", ""]),
        "EchoTime": st.sampled_from([2.1, 4.2]),
        "SeriesDescription": st.sampled_from(["ax t2 fs", "dwi b800", ""]),
        "ImageType": st.sampled_from([["ORIGINAL", "PRIMARY"], ["DERIVED", "PRIMARY", "ADC"]]),
        "Manufacturer": st.sampled_from(["SIEMENS", "GE MEDICAL SYSTEMS", "UIH"]),
        "ScanOptions": st.sampled_from(["FS", ["FS", "RG"], ""]),
        "PatientSex": st.sampled_from(["F", "M", "O", ""]),
    }
)


@settings(max_examples=60)
@given(
    series=st.lists(st.lists(SLICE, min_size=1, max_size=5), min_size=2, max_size=5),
    implicit=st.booleans(),
)
def test_series_in_turns_give_what_each_header_gives_alone(
    series: Sequence[Sequence[dict[str, Any]]], implicit: bool
) -> None:
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    harvest = FeatureHarvest()
    for raw in in_turns(series, syntax):
        found = harvest.read(raw)
        assert found is not None
        assert found[1] == oracle(raw)


def in_turns(series: Sequence[Sequence[dict[str, Any]]], syntax: str) -> Iterator[bytes]:
    for at, row in enumerate(itertools.zip_longest(*series)):
        for number, elements in enumerate(row):
            if elements is not None:
                data = make_instance(modality="MR", series=number + 1, instance=at + 1, **elements)
                yield with_syntax(data, syntax)


def test_many_series_in_turns_are_followed_as_well_as_one_after_another() -> None:
    series = [[to_bytes(d) for d in make_series(n_slices=4, series=n)] for n in range(1, 21)]
    memory = Memory()
    raws = [raw for row in zip(*series, strict=True) for raw in row]
    replayed = []
    for raw in raws:
        replayed.append(replay(raw, memory, load_profile(), anyone, RING.uid) is not None)
        deidentify_object(raw, load_profile(), anyone, RING.uid, memory)
    assert all(replayed[2 * 20 :])


@pytest.mark.parametrize("charset", [None, "ISO_IR 100", "ISO_IR 192", "GB18030"])
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_unlabelled_texts_are_repaired_as_the_full_parser_would(
    charset: str | None, encoding: str
) -> None:
    placeholder = "X" * len("动脉期".encode(encoding))
    data = make_instance(
        SpecificCharacterSet=charset, SeriesDescription=placeholder, PatientName="A"
    )
    raw = to_bytes(data).replace(placeholder.encode(), "动脉期".encode(encoding))
    found = FeatureHarvest(repairs=True).read(raw)
    assert found is None or found[1] == oracle(raw, repairs=True)
    unlabelled = charset in (None, "ISO_IR 100")
    assert not unlabelled or (found is not None and "动脉期" in found[1].series_description)


@pytest.mark.parametrize("place", range(len(HOSPITALS)), ids=[h.code for h in HOSPITALS])
def test_series_of_every_scanner_give_the_same_features_in_turns(place: int) -> None:
    harvest = FeatureHarvest()
    series = by_series(full_export(place)).values()
    rows = itertools.zip_longest(*(files[:3] for files in series))
    raws = [file.content() for row in rows for file in row if file is not None]
    for raw in raws:
        found = harvest.read(raw)
        expected = oracle(raw)
        in_frames = expected.number_of_frames or expected.grid_across
        if not in_frames and expected.transfer_syntax_uid not in SLOW:
            assert found is not None
        assert found is None or found[1] == expected


@pytest.mark.real_data
def test_real_series_in_turns_give_the_same_features(real_dicom: Path) -> None:
    files = [p for p in real_dicom.rglob("*") if p.is_file() and p.suffix != ".md"]
    folders = sorted({p.parent for p in files})
    series = [sorted(p for p in files if p.parent == folder)[:8] for folder in folders]
    harvest = FeatureHarvest()
    for row in itertools.zip_longest(*series):
        for raw in [path.read_bytes() for path in row if path is not None]:
            found = harvest.read(raw)
            assert found is None or found[1] == oracle(raw)
