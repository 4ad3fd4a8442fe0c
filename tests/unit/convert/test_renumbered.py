"""Instance numbers that tell no slices apart: positions give the order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tasks.convert.store_folder import convert_folder
from tests.builders import make_series, write_files
from tests.oracle.compare import all_differences
from tests.unit.convert.conftest import Convert
from tests.unit.convert.encoding import SYNTAXES, compressed

Number = Callable[[int], object]


def numbered(n_slices: int, number: Number) -> list[Dataset]:
    slices = make_series(n_slices=n_slices)
    for i, data in enumerate(slices):
        data.InstanceNumber = number(i)
    return slices


def none(_i: int) -> None:
    return None


def one(_i: int) -> int:
    return 1


def in_pairs(i: int) -> int:
    return i // 2


@pytest.mark.parametrize("number", [none, one, in_pairs])
@pytest.mark.parametrize("n_slices", [2, 9])
def test_a_whole_stack_is_published_in_the_order_of_its_positions(
    convert: Convert, tmp_path: Path, number: Number, n_slices: int
) -> None:
    (record,) = convert(numbered(n_slices, number))
    assert (record.verdict, record.codes) == ("REPAIRABLE", ("INSTANCES_RENUMBERED",))
    assert (record.dim_z, record.round_trip_ok) == (n_slices, True)
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


def test_a_number_that_is_none_is_as_empty(tmp_path: Path) -> None:
    element = b"\x20\x00\x13\x00IS\x02\x00"
    files = write_files(tmp_path / "dicom", numbered(6, lambda i: i + 1))
    for i, path in enumerate(files, start=1):
        raw = path.read_bytes()
        assert element + b"%d " % i in raw
        path.write_bytes(raw.replace(element + b"%d " % i, element + b"A%d" % i))
    (record,) = convert_folder(tmp_path / "dicom", tmp_path / "out").volumes
    assert (record.verdict, record.codes) == ("REPAIRABLE", ("INSTANCES_RENUMBERED",))
    assert all_differences(tmp_path / "dicom", tmp_path / "out") == []


@pytest.mark.parametrize("syntax", ["JPEG 2000 lossless", "RLE", "deflated"])
def test_compressed_slices_are_renumbered_too(
    convert: Convert, tmp_path: Path, syntax: str
) -> None:
    (record,) = convert(compressed(numbered(5, one), SYNTAXES[syntax]))
    assert record.codes == ("INSTANCES_RENUMBERED",)
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


def test_a_hole_is_still_a_hole(convert: Convert) -> None:
    slices = numbered(9, none)
    del slices[4]
    (record,) = convert(slices)
    assert record.codes == ("MISSING_SLICE",)
