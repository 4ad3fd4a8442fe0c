"""Bits beyond those that are stored carry nothing out, native or compressed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from schemas.states import ReasonCode
from tasks.deidentify.deidentified import DeidentifiedObject
from tests.builders import COLUMNS, ROWS, make_instance
from tests.unit.deidentify.helpers import refusal, run

BEYOND = (ReasonCode.PIXEL_BYTES_BESIDE_IMAGE, "bits beyond BitsStored")


def with_pixels(values: np.ndarray, **elements: Any) -> Dataset:
    data = make_instance(**elements)
    data.PixelData = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return data


def plane(dtype: type[np.generic] = np.uint16) -> np.ndarray:
    return (np.arange(ROWS * COLUMNS) % 1000).astype(dtype)


@pytest.mark.parametrize("bit", [12, 13, 14, 15])
def test_letters_in_one_spare_bit_hold_the_object(bit: int) -> None:
    pixels = plane()
    pixels[40:60:2] |= np.uint16(1 << bit)
    assert refusal(with_pixels(pixels, BitsStored=12, HighBit=11)) == BEYOND


def test_a_repeated_sign_is_no_text() -> None:
    pixels = plane(np.int16) - 500
    data = with_pixels(pixels, BitsStored=12, HighBit=11, PixelRepresentation=1)
    assert isinstance(run(data), DeidentifiedObject)


def test_a_sign_that_is_repeated_in_part_holds_the_object() -> None:
    pixels = (plane(np.int16) - 500).view(np.uint16)
    pixels[:5] ^= np.uint16(1 << 13)
    data = with_pixels(pixels, BitsStored=12, HighBit=11, PixelRepresentation=1)
    assert refusal(data) == BEYOND


def test_the_one_padding_value_may_have_more_bits() -> None:
    pixels = plane()
    pixels[:30] = 63536
    data = with_pixels(pixels, BitsStored=12, HighBit=11)
    assert refusal(data) == BEYOND
    data.add_new(0x00280120, "US", 63536)
    assert isinstance(run(data), DeidentifiedObject)


def test_a_value_that_lies_higher_in_its_bits_leaves_none_below() -> None:
    pixels = plane() << np.uint16(4)
    data = with_pixels(pixels, BitsStored=12, HighBit=15)
    assert isinstance(run(data), DeidentifiedObject)
    assert refusal(with_pixels(pixels | np.uint16(1), BitsStored=12, HighBit=15)) == BEYOND


def test_an_overlay_at_a_bit_of_the_pixels_holds_the_object_also_with_data_of_its_own() -> None:
    data = make_instance()
    data.add_new(0x60000102, "US", 12)
    data.add_new(0x60003000, "OW", bytes(ROWS * COLUMNS // 8))
    assert refusal(data) == (ReasonCode.BURNED_IN_ANNOTATION, "an overlay in the pixels")
