"""Directions in a `.bvec` are the vendor's, in the frame of the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tasks.convert import store_series
from tasks.convert.facts_harvest import SeriesFacts
from tasks.convert.gradients import directions_agree, fsl_direction
from tasks.convert.proof import Converted
from tasks.convert.store_converter import read_converted
from tasks.convert.store_source import read_facts_with_pydicom
from tests.builders import write_files
from tests.unit.convert.conftest import Convert
from tests.unit.convert.test_volumes import make_diffusion

GRADIENTS = ((), (1.0, 0, 0), (0.6, 0.8, 0), (0, 0.6, 0.8), (0.6, 0, -0.8), (0, 0, 1.0))
OBLIQUE = [0.8, 0.6, 0.0, -0.48, 0.64, 0.6]


def with_gradients(orientation: list[float]) -> list[Dataset]:
    """Return a Siemens diffusion series of one b=0 volume and five directions."""
    slices = make_diffusion((0.0, *[800.0] * 5))
    normal = np.cross(orientation[:3], orientation[3:])
    for place, data in enumerate(slices):
        volume, number = divmod(place, 4)
        data.ImageOrientationPatient = orientation
        data.ImagePositionPatient = [round(float(v), 6) for v in 2.5 * number * normal]
        block = data.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0C, "IS", 800 if volume else 0)
        if volume:
            block.add_new(0x0E, "FD", [float(v) for v in GRADIENTS[volume]])
    return slices


@pytest.mark.parametrize("orientation", [[1.0, 0, 0, 0, 1.0, 0], [0, 1.0, 0, 0, 0, -1.0], OBLIQUE])
def test_the_converters_directions_are_proven(
    convert: Convert, tmp_path: Path, orientation: list[float]
) -> None:
    (record,) = convert(with_gradients(orientation))
    assert (record.verdict, record.n_volumes) == ("OK", 6)
    assert (tmp_path / "nifti" / f"{record.sub_stack_digest}.bvec").is_file()


def test_directions_of_another_axis_are_held(
    convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(nifti: Path) -> Converted:
        found = read_converted(nifti)
        assert found.directions is not None
        return Converted(
            found.data,
            found.affine_ras,
            found.slope,
            found.intercept,
            found.b_values,
            found.directions[[1, 0, 2]],
        )

    monkeypatch.setattr(store_series, "read_converted", swapped)
    (record,) = convert(with_gradients(OBLIQUE))
    assert (record.verdict, record.codes) == ("QUARANTINE", ("DIRECTIONS_DIFFER",))


def test_a_positive_determinant_reverses_the_first_axis() -> None:
    gradient = (1.0, 0.0, 0.0)
    assert fsl_direction(gradient, np.diag([2.0, 2.0, 3.0, 1.0]))[0] == 1.0
    assert fsl_direction(gradient, np.diag([-2.0, 2.0, 3.0, 1.0]))[0] == 1.0


def test_the_way_along_an_axis_does_not_matter_and_the_axis_does() -> None:
    affine = np.diag([-2.0, 2.0, 3.0, 1.0])
    vendor = [(), (0.0, 0.0, 1.0)]
    assert directions_agree(vendor, np.array([[0, 0], [0, 0], [0, -1.0]]), affine)
    assert not directions_agree(vendor, np.array([[0, 0.1], [0, 0], [0, 1.0]]), affine)
    assert not directions_agree(vendor, np.zeros((3, 2)), affine)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_the_scanner_reads_the_direction_that_pydicom_reads(tmp_path: Path, syntax: UID) -> None:
    slices = with_gradients(OBLIQUE)
    for data in slices:
        data.file_meta.TransferSyntaxUID = syntax
    for path in write_files(tmp_path, slices):
        facts = read_facts_with_pydicom(path)
        assert SeriesFacts().read(path.read_bytes(), size_bytes=path.stat().st_size) == facts
    assert facts.gradient_lps == GRADIENTS[-1]
