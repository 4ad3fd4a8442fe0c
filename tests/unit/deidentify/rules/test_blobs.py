"""Vendors' blocks are built anew: allowed fields in, and not one byte of the source beside."""

from __future__ import annotations

import gzip
import struct

import pytest
from pydicom.dataset import Dataset

from schemas.dicom.siemens_csa import read_csa
from schemas.states import ReasonCode
from tasks.deidentify.rules.blobs import rebuild_blob
from tasks.deidentify.rules.ge_blocks import BlobError, read_protocol, read_user_data
from tasks.deidentify.rules.profile import load_profile
from tasks.deidentify.rules.siemens_csa import write_csa
from tests.builders import make_instance
from tests.unit.deidentify.helpers import accepted, refusal, written

NAME = b"Zhang^Weiming"
MOSAIC = {
    "NumberOfImagesInMosaic": ("IS", ("5",)),
    "SliceNormalVector": ("DS", ("0.0", "0.0", "1.0")),
    "MosaicRefAcqTimes": ("DS", ("0.0", "1450.0", "482.5", "1932.5", "967.5")),
    "PhaseEncodingDirectionPositive": ("IS", ("1",)),
}


def csa(**more: tuple[str, tuple[str, ...]]) -> bytes:
    return write_csa({**MOSAIC, **more})


def user_data(version: float, *, epi: int, polarity: int, order: int) -> bytes:
    out = bytearray(NAME * 600)
    struct.pack_into("<H", out, 24, 100)
    flags, view = (0x4C, 0x394 - 0x8C + 0x4C) if version >= 25.002 else (0, 0x394)
    struct.pack_into("<f", out, 100, version)
    struct.pack_into("<H", out, 100 + 0x3A + flags, epi)
    struct.pack_into("<H", out, 100 + 0x30 + flags, polarity)
    struct.pack_into("<H", out, 100 + view, order)
    return bytes(out)


def protocol(text: str) -> bytes:
    packed = gzip.compress(text.encode())
    return len(packed).to_bytes(4, "little") + packed


def rebuilt(block: str, raw: bytes) -> bytes:
    made = rebuild_blob(block, raw, load_profile().blobs[block])
    assert made is not None
    return made


def test_allowed_csa_fields_stay_and_all_else_goes() -> None:
    raw = csa(
        PatientName=("LO", (NAME.decode(),)),
        UsedChannelMask=("LO", ("88123456",)),
        B_value=("IS", (NAME.decode(),)),
    )
    made = rebuilt("siemens_csa", raw + NAME)
    assert NAME not in made
    assert b"88123456" not in made
    assert read_csa(made) == {name: items for name, (_, items) in MOSAIC.items()}


def test_what_lies_behind_short_strings_in_a_csa_header_goes() -> None:
    raw = csa().replace(b"1\0\0\0", b"1\0Zh")
    assert b"1\0Zh" in raw
    assert b"Zh" not in rebuilt("siemens_csa", raw)


@pytest.mark.parametrize("raw", [b"", b"SV10\x04\x03\x02\x01", csa()[:-40], b"x" * 400])
def test_a_damaged_csa_header_is_dropped_not_guessed_at(raw: bytes) -> None:
    assert rebuild_blob("siemens_csa", raw, load_profile().blobs["siemens_csa"]) is None


@pytest.mark.parametrize("version", [16.0, 26.002, 28.003])
def test_ge_polarity_and_view_order_stay(version: float) -> None:
    raw = user_data(version, epi=0xFFFF, polarity=0xFFFF, order=1)
    made = rebuilt("ge_user_data", raw)
    assert b"Zhang" not in made
    assert set(made) <= set(rebuilt("ge_user_data", raw))
    assert read_user_data(made) == {
        "version": (f"{version:.6g}",),
        "epi_flags": ("2048",),
        "polarity_flags": ("4",),
        "view_order": ("1",),
    }


def test_ge_user_data_that_is_no_such_structure_is_dropped() -> None:
    allowed = load_profile().blobs["ge_user_data"]
    for raw in (b"", bytes(5000), NAME * 10):
        made = rebuild_blob("ge_user_data", raw, allowed)
        assert made is None or NAME not in made


def test_ge_protocol_keywords_of_slice_timing_stay() -> None:
    text = 'POSITION "Supine"\nSEDESC "Zhang^Weiming"\nset SLICEORDER "1"\nNOSLC "15"\nTE "30.0"\n'
    made = rebuilt("ge_protocol", protocol(text + 'VIEWORDER "88123456"\nIOPT "EPI, Zhang"\n'))
    assert read_protocol(made) == {"SLICEORDER": ("1",), "NOSLC": ("15",)}
    assert made == rebuilt("ge_protocol", protocol('NOSLC "15"\nSLICEORDER "1"\n'))


def test_a_protocol_that_inflates_without_end_is_refused() -> None:
    with pytest.raises(BlobError):
        read_protocol(protocol("A" * (3 << 20)))


def test_blocks_are_rebuilt_inside_an_object_in_their_places() -> None:
    data = make_instance(modality="MR")
    block = data.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", csa(Operator=("LO", (NAME.decode(),))))
    block.add_new(0x20, "OB", b"ASCCONV " + NAME + b" ")
    after = written(data)
    made = after[0x0029, 0x1010].value
    assert read_csa(made)["NumberOfImagesInMosaic"] == ("5",)
    assert (0x0029, 0x1020) not in after
    assert NAME not in accepted(data).output


@pytest.mark.parametrize(
    ("comment", "stays"),
    [
        ("b=1500(0.445,0.000,0.895)", True),
        ("b=0(0.000,-0.100,0.000)", True),
        ("Zhang b=1500", False),
        ("88123456", False),
    ],
)
def test_a_comment_stays_only_when_it_is_a_diffusion_direction(comment: str, stays: bool) -> None:
    after = written(make_instance(modality="MR", ImageComments=comment))
    assert after.get("ImageComments") == (comment if stays else None)


def test_a_diffusion_direction_with_other_text_holds_the_object() -> None:
    held = refusal(make_instance(modality="MR", ImageComments="b=1500(0.4,0.0,0.9) Zhang"))
    assert held == (ReasonCode.DECIDING_ATTRIBUTE_LOST, "ImageComments")


def test_slices_of_a_vframe_keep_position_and_moved_time() -> None:
    data = make_instance(modality="MR", Manufacturer="UIH")
    inner = Dataset()
    inner.AcquisitionDate, inner.AcquisitionTime = "20250307", "101500.5"
    inner.ImagePositionPatient = [1.0, 2.0, 3.0]
    inner.PatientName = NAME.decode()
    block = data.private_block(0x0065, "Image Private Header", create=True)
    block.add_new(0x50, "DS", "2")
    block.add_new(0x51, "SQ", [inner, Dataset()])
    kept = written(data)[0x0065, 0x1051].value
    assert len(kept) == 2
    assert kept[0].AcquisitionDate == "20240201"
    assert kept[0].ImagePositionPatient == [1.0, 2.0, 3.0]
    assert "PatientName" not in kept[0]
