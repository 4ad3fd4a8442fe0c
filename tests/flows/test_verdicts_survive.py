"""De-identification never makes a volume right: verdicts after it are those before, or stricter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from schemas.records import VolumeRecord
from tasks.convert.store_folder import convert_folder
from tasks.deidentify.store_folder import deidentify_folder
from tests.builders import make_series, to_bytes
from tests.unit.deidentify.helpers import RING, SITE


def plain(slices: list[Dataset]) -> None:
    """Nothing is odd."""


def real_world_mapping(slices: list[Dataset]) -> None:
    for data in slices:
        mapping = Dataset()
        mapping.RealWorldValueIntercept, mapping.RealWorldValueSlope = 0.0, 5.98
        data.RealWorldValueMappingSequence = [mapping]
        data.Manufacturer = "Philips Medical Systems"


def b_values_without_creator(slices: list[Dataset]) -> None:
    for number, data in enumerate(slices):
        data.add_new(0x0019100C, "IS", "0" if number % 2 else "800")


def two_polarities(slices: list[Dataset]) -> None:
    for data in slices:
        data.Manufacturer = "GE MEDICAL SYSTEMS"
        block = data.private_block(0x0019, "GEMS_ACQU_01", create=True)
        block.add_new(0x9C, "LO", "epi_pepolar")
        block.add_new(0xB3, "DS", "1")


def a_look_up_table(slices: list[Dataset]) -> None:
    for data in slices:
        table = Dataset()
        table.LUTDescriptor, table.LUTData = [2, 0, 16], [0, 1000]
        table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
        data.ModalityLUTSequence = [table]


def a_slope_of_some_slices(slices: list[Dataset]) -> None:
    for data in slices[::2]:
        data.RescaleSlope, data.RescaleIntercept = "2", "0"


SERIES = (
    plain,
    real_world_mapping,
    b_values_without_creator,
    two_polarities,
    a_look_up_table,
    a_slope_of_some_slices,
)


def ok(records: tuple[VolumeRecord, ...]) -> set[tuple[object, ...]]:
    return {(r.pixel_sha256, r.affine_ras, r.b_values) for r in records if r.file_name is not None}


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("make_odd", SERIES, ids=lambda make: make.__name__)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_volume_is_published_that_would_not_be_before(
    tmp_path: Path, make_odd: Callable[[list[Dataset]], None], modality: str
) -> None:
    slices = make_series(modality=modality)
    make_odd(slices)
    for name in ("in", "before", "after"):
        (tmp_path / name).mkdir()
    for number, data in enumerate(slices):
        (tmp_path / "in" / f"{number}.dcm").write_bytes(to_bytes(data))
    before = convert_folder(tmp_path / "in", tmp_path / "before")
    deidentify_folder(tmp_path / "in", tmp_path / "out", SITE, RING, subject_from="patient_id")
    after = convert_folder(tmp_path / "out", tmp_path / "after")
    assert ok(after.volumes) <= ok(before.volumes)
    if make_odd is plain:
        assert ok(after.volumes) == ok(before.volumes) != set()
