"""The contact sheet shows one tile per sub-stack, and phases differ as they should."""

from __future__ import annotations

import zlib
from itertools import pairwise

import numpy as np

from benchmarks.simulate.contact_sheet import contact_sheet, png_bytes
from tasks.simulate.exports import plan_images
from tasks.simulate.people.hospitals import HOSPITALS
from tasks.simulate.people.subjects import make_subjects
from tests.unit.simulate.conftest import SEED

TILE_HEIGHT, TILE_WIDTH, CAPTION = 212, 196, 20


def sheet() -> np.typing.NDArray[np.uint8]:
    people = make_subjects(HOSPITALS[0], site_index=0, per_site=1, seed=SEED)
    export = plan_images(HOSPITALS[0], people, 1, SEED)
    return contact_sheet(export, people[0].subject_no, SEED)


def tile(row: int, column: int) -> np.typing.NDArray[np.float64]:
    top, left = row * TILE_HEIGHT + CAPTION, column * TILE_WIDTH
    grey = sheet()[top : top + 192, left : left + 192]
    return np.asarray(grey, dtype=np.float64)


def test_each_exam_is_a_row_and_each_sub_stack_a_tile() -> None:
    assert sheet().shape == (3 * TILE_HEIGHT, 10 * TILE_WIDTH)


def test_neighbouring_phases_do_not_look_alike() -> None:
    eob = [tile(2, column) for column in range(5, 10)]  # pre, arterial, portal, trans., HBP
    for before, after in pairwise(eob):
        assert np.abs(after - before).mean() > 2.0


def test_a_png_holds_the_grey_values_line_by_line() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    data = png_bytes(picture)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big")
    lines = zlib.decompress(data[start : start + length])
    assert lines == b"".join(b"\x00" + row.tobytes() for row in picture)
