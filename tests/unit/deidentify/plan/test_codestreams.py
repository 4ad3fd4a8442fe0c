"""Compressed pixels may hold images and encoders' notes, and no words of anybody else."""

from __future__ import annotations

import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from schemas.states import ReasonCode
from tasks.deidentify.deidentified import DeidentifiedObject
from tests.builders import COLUMNS, ROWS, make_instance
from tests.unit.deidentify.codestreams import jpeg, jpeg_2000, jpeg_ls, rle, segment
from tests.unit.deidentify.helpers import run

NAME = b"Zhang^Weiming 88123456"
LOW = bytes(n % 251 for n in range(ROWS * COLUMNS))
HIGH = bytes(n % 15 for n in range(ROWS * COLUMNS))


def compressed(syntax: str, *frames: bytes) -> DeidentifiedObject | ReasonCode:
    data = make_instance()
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.PixelData = encapsulate(list(frames))
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    return run(data)


@pytest.mark.parametrize(
    ("syntax", "frame"),
    [
        (JPEGLosslessSV1, jpeg()),
        (JPEGLosslessSV1, jpeg(segment(0xE0, b"JFIF\0\1\1" + bytes(7)))),
        (JPEGLosslessSV1, jpeg(segment(0xFE, b"LEAD Technologies Inc. V1.01\0"))),
        (JPEGLosslessSV1, jpeg() + b"\0\0"),
        (JPEGLSLossless, jpeg_ls()),
        (JPEG2000Lossless, jpeg_2000()),
        (JPEG2000Lossless, jpeg_2000(segment(0x64, b"\0\1Kakadu-v5.2.1"))),
        (JPEG2000Lossless, jpeg_2000(segment(0x64, b"\0\1Created by OpenJPEG version 2.0.0"))),
        (JPEG2000Lossless, jpeg_2000(segment(0x64, b"\0\1Created by GDCM/OpenJPEG version 2.3.0"))),
        (RLELossless, rle(HIGH, LOW)),
    ],
    ids=str,
)
def test_images_and_notes_of_encoders_come_in(syntax: str, frame: bytes) -> None:
    assert isinstance(compressed(syntax, frame), DeidentifiedObject)


@pytest.mark.parametrize(
    ("syntax", "frame"),
    [
        (JPEGLosslessSV1, jpeg(segment(0xFE, NAME))),
        (JPEGLosslessSV1, jpeg(segment(0xFE, b"LEAD Technologies Inc. V1.01 " + NAME))),
        (JPEGLosslessSV1, jpeg(segment(0xFE, b"Intel(R) IPP JPEG encoder " + NAME))),
        (JPEGLosslessSV1, jpeg(segment(0xFE, b"PICTools Zhang Weiming"))),
        (JPEGLosslessSV1, jpeg(segment(0xE1, b"Exif\0\0" + NAME))),
        (JPEGLosslessSV1, jpeg(segment(0xE0, b"JFIF\0\1\1" + bytes(7) + NAME))),
        (JPEGLosslessSV1, jpeg() + NAME),
        (JPEGLosslessSV1, NAME + jpeg()),
        (JPEGLosslessSV1, jpeg()[:-2]),
        (JPEGLSLossless, jpeg_ls(segment(0xFE, NAME))),
        (JPEGLSLossless, jpeg_ls(segment(0xE8, b"SPIFF\0" + NAME))),
        (JPEG2000Lossless, jpeg_2000(segment(0x64, b"\0\1" + NAME))),
        (JPEG2000Lossless, jpeg_2000(in_tile=segment(0x64, b"\0\1" + NAME))),
        (JPEG2000Lossless, jpeg_2000() + NAME),
        (RLELossless, rle(HIGH, LOW) + NAME),
        (RLELossless, rle(HIGH, LOW + NAME)),
        (RLELossless, rle(HIGH, LOW)[:-40]),
        ("1.2.840.10008.1.2.4.102", jpeg()),
    ],
    ids=str,
)
def test_whatever_else_compressed_pixels_hold_is_held(syntax: str, frame: bytes) -> None:
    assert compressed(syntax, frame) is ReasonCode.PIXEL_BYTES_BESIDE_IMAGE


@pytest.mark.parametrize("marker", [m for m in range(0x02, 0xFF) if not 0xD0 <= m <= 0xDA])
def test_no_segment_of_a_jpeg_carries_text_through(marker: int) -> None:
    """Reserved segments, application data, comments, and tables that nothing uses."""
    for syntax, frame in (
        (JPEGLosslessSV1, jpeg(segment(marker, NAME))),
        (JPEGLSLossless, jpeg_ls(segment(marker, NAME))),
    ):
        assert compressed(syntax, frame) is ReasonCode.PIXEL_BYTES_BESIDE_IMAGE


@pytest.mark.parametrize("marker", [m for m in range(0x30, 0x90) if m not in (0x4F, 0x51)])
def test_no_segment_of_a_jpeg_2000_carries_text_through(marker: int) -> None:
    for frame in (
        jpeg_2000(segment(marker, NAME)),
        jpeg_2000(in_tile=segment(marker, NAME)),
    ):
        assert compressed(JPEG2000Lossless, frame) is ReasonCode.PIXEL_BYTES_BESIDE_IMAGE


def test_a_second_image_behind_the_only_frame_is_held() -> None:
    assert compressed(JPEGLosslessSV1, jpeg() + jpeg()) is ReasonCode.PIXEL_BYTES_BESIDE_IMAGE
