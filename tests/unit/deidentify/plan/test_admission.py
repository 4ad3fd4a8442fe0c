"""Which objects come in; each refusal has its reason."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.uid import (
    EncapsulatedPDFStorage,
    EnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from schemas.records import SubjectAssignment
from schemas.states import ReasonCode
from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.rules.profile import load_profile
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import RING, refusal, run

R = ReasonCode


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"SOPClassUID": SecondaryCaptureImageStorage}, R.SECONDARY_OR_DERIVED),
        (
            {"SOPClassUID": MultiFrameTrueColorSecondaryCaptureImageStorage},
            R.SECONDARY_OR_DERIVED,
        ),
        ({"SOPClassUID": EncapsulatedPDFStorage}, R.SOP_CLASS_NOT_ADMITTED),
        ({"SOPClassUID": EnhancedMRImageStorage}, R.UNPARSABLE),
        ({"SOPClassUID": MediaStorageDirectoryStorage}, R.SOP_CLASS_NOT_ADMITTED),
        ({"SOPClassUID": "1.2.3.4"}, R.SOP_CLASS_NOT_ADMITTED),
        ({"BurnedInAnnotation": "YES"}, R.BURNED_IN_ANNOTATION),
        ({"BurnedInAnnotation": "MAYBE"}, R.BURNED_IN_ANNOTATION),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, R.SECONDARY_OR_DERIVED),
        ({"ImageType": ["DERIVED", "SECONDARY", "OTHER"]}, R.SECONDARY_OR_DERIVED),
        ({"ImageType": ["DERIVED", "PRIMARY", "SCREEN SAVE"]}, R.SECONDARY_OR_DERIVED),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "DOSE_INFO"]}, R.SECONDARY_OR_DERIVED),
        ({"ImageType": None}, R.SECONDARY_OR_DERIVED),
        ({"ConversionType": "WSD"}, R.SECONDARY_OR_DERIVED),
        ({"BitsStored": 8}, R.EIGHT_BIT_PIXELS),
        ({"SamplesPerPixel": 3}, R.EIGHT_BIT_PIXELS),
        ({"PhotometricInterpretation": "RGB"}, R.EIGHT_BIT_PIXELS),
        ({"PixelData": None}, R.NO_PIXEL_DATA),
        ({"Rows": 17}, R.TRUNCATED),
        ({"StudyInstanceUID": ""}, R.MISSING_UID),
        ({"SeriesInstanceUID": None}, R.MISSING_UID),
        ({"PatientID": ""}, R.NO_LINKAGE),
        ({"OverlayBitPosition": 12}, R.BURNED_IN_ANNOTATION),
    ],
    ids=str,
)
def test_what_is_not_a_plain_scanner_image_is_set_aside(
    elements: dict[str, Any], reason: ReasonCode
) -> None:
    overlay = elements.pop("OverlayBitPosition", None)
    data = make_instance(**elements)
    if overlay is not None:
        data.add_new(0x60000102, "US", overlay)
    assert run(data) is reason


@pytest.mark.parametrize(
    "image_type",
    [
        ["ORIGINAL", "PRIMARY", "AXIAL"],
        ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"],
        ["DERIVED", "PRIMARY", "DIXON", "WATER"],
        ["DERIVED", "SECONDARY", "MPR"],
        ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"],
    ],
    ids="-".join,
)
def test_images_and_reconstructions_of_the_scanner_come_in(image_type: list[str]) -> None:
    assert isinstance(run(make_instance(ImageType=image_type)), DeidentifiedObject)


def test_text_behind_the_last_pixel_is_not_carried_over() -> None:
    data = make_instance()
    data.PixelData += b"Zhang^Weiming "
    assert refusal(data) == (R.PIXEL_BYTES_BESIDE_IMAGE, "bytes behind the last pixel")


def test_zero_padding_behind_the_last_pixel_is_let_in() -> None:
    data = make_instance()
    data.PixelData += bytes(16)
    assert isinstance(run(data), DeidentifiedObject)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", R.EMPTY_FILE),
        (b"just a text that someone named .dcm", R.NOT_DICOM),
        (to_bytes(make_instance())[:-100], R.TRUNCATED),
        (to_bytes(make_instance())[:500], R.TRUNCATED),
    ],
    ids=["empty", "text", "pixels cut", "header cut"],
)
def test_damaged_files_are_set_aside(raw: bytes, reason: ReasonCode) -> None:
    assert run(raw) is reason


def test_sequences_nested_a_thousand_deep_are_set_aside() -> None:
    head = b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    whole = to_bytes(make_instance())
    at = whole.index(b"\x08\x00\x16\x00UI")
    assert run(whole[:at] + head * 1000 + whole[at:]) is R.UNPARSABLE


def test_nobody_linked_means_nothing_written() -> None:
    def nobody(patient_id: str) -> SubjectAssignment | None:
        return None

    result = deidentify_object(to_bytes(make_instance()), load_profile(), nobody, RING.uid)
    assert result == (R.NO_LINKAGE, "")


def test_a_file_without_preamble_and_meta_is_read_as_what_it_is() -> None:
    whole = to_bytes(make_instance())
    bare = whole[whole.index(b"\x08\x00\x05\x00CS") :]
    assert isinstance(run(bare), DeidentifiedObject)
