"""What the header says of stored pixels: where, how wide, how tiled, and what is wrong."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from schemas.dicom.siemens_csa import read_csa
from tasks.convert.mosaic import Mosaic
from tasks.convert.source import stored_values, tile_origin_lps


def csa_header(tags: dict[str, list[str]]) -> bytes:
    """Return a CSA2 image header as a Siemens scanner writes it."""
    raw = b"SV10\x04\x03\x02\x01" + struct.pack("<II", len(tags), 77)
    for name, items in tags.items():
        raw += struct.pack("<64si4siii", name.encode(), len(items), b"IS", 6, len(items), 77)
        for item in items:
            value = item.encode() + b"\0"
            raw += struct.pack("<4i", len(value), len(value), 77, len(value))
            raw += value.ljust(-(-len(value) // 4) * 4, b"\0")
    return raw


def test_tags_of_a_csa_header_are_read() -> None:
    raw = csa_header({"NumberOfImagesInMosaic": ["45"], "SliceNormalVector": ["0", "0.6", "0.8"]})
    assert read_csa(raw) == {
        "NumberOfImagesInMosaic": ("45",),
        "SliceNormalVector": ("0", "0.6", "0.8"),
    }


@pytest.mark.parametrize("kept", [0, 4, 10, 60, 110, 125])
def test_a_csa_header_cut_short_is_refused(kept: int) -> None:
    raw = csa_header({"NumberOfImagesInMosaic": ["45"], "SliceNormalVector": ["0", "0", "1"]})
    with pytest.raises(ValueError, match="CSA"):
        read_csa(raw[:kept])


@pytest.mark.parametrize("count", [2**31 - 1, -1])
def test_an_absurd_count_of_items_is_refused(count: int) -> None:
    raw = bytearray(csa_header({"NumberOfImagesInMosaic": ["45"]}))
    raw[16 + 76 : 16 + 80] = struct.pack("<i", count)
    with pytest.raises(ValueError, match="too many items"):
        read_csa(bytes(raw))


@pytest.mark.parametrize(("n_tiles", "across"), [(1, 1), (5, 3), (9, 3), (45, 7), (64, 8)])
def test_tiles_fill_the_smallest_square(n_tiles: int, across: int) -> None:
    assert Mosaic(n_tiles, (0.0, 0.0, 3.0)).n_across == across


def test_the_first_tile_is_centred_on_the_sheet() -> None:
    origin = tile_origin_lps(
        np.array([-100.0, -100.0, 5.0]),
        np.array([1.0, 0, 0, 0, 1.0, 0]),
        np.array([2.0, 3.0]),
        (30, 40),
        (10, 10),
    )
    assert origin.tolist() == [-100.0 + 15 * 3.0, -100.0 + 10 * 2.0, 5.0]


@pytest.mark.parametrize(
    ("dtype", "raw", "value"),
    [
        ("<u2", 0xF123, 0x123),
        ("<i2", 0x0FFF, -1),
        (">i2", 0x07FF, 2047),
        ("<i2", -1, -1),
        (">u2", 0x0FFF, 4095),
    ],
)
def test_bits_above_the_high_bit_are_not_part_of_the_value(
    dtype: str, raw: int, value: int
) -> None:
    assert stored_values(np.array([[raw]], dtype=dtype), 12).tolist() == [[value]]


def test_pixels_that_use_all_bits_are_not_copied() -> None:
    raw = np.zeros((2, 2), dtype="<u2")
    assert stored_values(raw, 16) is raw
