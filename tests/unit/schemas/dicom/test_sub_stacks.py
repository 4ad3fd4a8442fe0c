"""A series is split into what can each be one volume, by physics rather than by file order."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.dicom.sub_stacks import (
    SubStack,
    distinct_positions,
    group_by_series,
    slice_positions_mm,
    split_series,
    sub_stack_digest,
)
from tests.builders import make_instance, make_series


def features_of(slices: list[Dataset]) -> list[InstanceFeatures]:
    return [read_features(data) for data in slices]


def repeat(n: int, **changes: object) -> list[Dataset]:
    """Return a second stack at the positions of `make_series(n_slices=n)`, other UIDs."""
    slices = make_series(n_slices=n)
    for data in slices:
        data.SOPInstanceUID += ".2"
        data.InstanceNumber += 100
        for keyword, value in changes.items():
            setattr(data, keyword, value)
    return slices


def sizes(stacks: list[SubStack]) -> list[int]:
    return [len(stack.members) for stack in stacks]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"Rows": 32, "Columns": 40}, "matrix"),
        ({"PixelSpacing": [2.0, 2.0]}, "matrix"),
        ({"ImageOrientationPatient": [1.0, 0, 0, 0, 0.8, 0.6]}, "orientation"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "OUT_PHASE"]}, "image_type"),
        ({"EchoTime": 4.6}, "echo_time"),
        ({"TemporalPositionIdentifier": 2}, "temporal_position"),
        ({"TriggerTime": 30000.0}, "trigger_time"),
        ({"AcquisitionNumber": 2}, "acquisition_number"),
        ({"AcquisitionTime": "102030"}, "acquisition_time"),
        ({}, "repeated_position"),
    ],
)
def test_two_stacks_are_told_apart_by(changes: dict[str, object], name: str) -> None:
    stacks = split_series(features_of([*make_series(n_slices=6), *repeat(6, **changes)]))
    assert sizes(stacks) == [6, 6]
    assert {stack.split_by for stack in stacks} == {(name,)}


def test_an_earlier_key_wins_over_a_later_one() -> None:
    second = repeat(6, TemporalPositionIdentifier=2, AcquisitionNumber=2)
    first = make_series(n_slices=6, TemporalPositionIdentifier=1)
    stacks = split_series(features_of([*first, *second]))
    assert [stack.split_by for stack in stacks] == [("temporal_position",)] * 2


def test_a_changing_acquisition_number_without_repeats_splits_nothing() -> None:
    slices = make_series(n_slices=9)
    for data in slices:
        data.AcquisitionNumber = data.InstanceNumber
        data.AcquisitionTime = f"1020{data.InstanceNumber:02d}"
    assert sizes(split_series(features_of(slices))) == [9]


def test_table_stations_of_two_phases_are_two_stacks() -> None:
    slices = [*make_series(n_slices=8), *repeat(8)]
    for i, data in enumerate(slices):
        data.AcquisitionNumber = 1 + i // 4
    assert sizes(split_series(features_of(slices))) == [8, 8]


def test_slices_with_a_time_each_are_joined_to_their_phase() -> None:
    slices = [*make_series(n_slices=8), *repeat(8)]
    for i, data in enumerate(slices):
        data.AcquisitionTime = f"1020{i:02d}"
    stacks = split_series(features_of(slices))
    assert [stack.split_by for stack in stacks] == [("acquisition_time",)] * 2
    assert {m.instance_number for m in stacks[0].members} == set(range(1, 9))


def test_one_position_twice_is_no_phase() -> None:
    assert sizes(split_series(features_of(make_series(n_slices=6, duplicated_slice=3)))) == [7]


def test_diffusion_stays_one_stack_with_its_b_values() -> None:
    slices = [
        *(make_instance(instance=n, modality="MR", DiffusionBValue=0.0) for n in range(1, 5)),
        *(make_instance(instance=n, modality="MR", DiffusionBValue=800.0) for n in range(1, 5)),
    ]
    for i, data in enumerate(slices):
        data.SOPInstanceUID = f"2.25.{i + 1}"
        data.ImageType = ["ORIGINAL" if i < 4 else "DERIVED", "PRIMARY", "DIFFUSION"]
    (stack,) = split_series(features_of(slices))
    assert stack.is_four_dimensional
    assert [m.b_value for m in stack.members] == [0.0, 800.0] * 4


def test_an_apparent_diffusion_map_is_not_a_volume_of_the_diffusion_series() -> None:
    slices = [make_instance(instance=n, modality="MR", DiffusionBValue=800.0) for n in (1, 2)]
    adc = [make_instance(instance=n, modality="MR") for n in (3, 4)]
    for data in adc:
        data.ImageType = ["DERIVED", "PRIMARY", "ADC"]
    assert sizes(split_series(features_of([*slices, *adc]))) == [2, 2]


def test_members_are_in_slice_order_whatever_the_instance_numbers_say() -> None:
    slices = make_series(n_slices=6)
    for data in slices:
        data.InstanceNumber = 7 - data.InstanceNumber
    (stack,) = split_series(features_of(slices))
    assert np.all(np.diff(slice_positions_mm(stack.members)) > 0)


def test_instances_without_geometry_are_a_stack_of_their_own() -> None:
    slices = make_series(n_slices=6)
    del slices[2].ImagePositionPatient
    assert sorted(sizes(split_series(features_of(slices)))) == [1, 5]


def test_each_multi_frame_object_is_a_stack_of_its_own() -> None:
    slices = [make_instance(instance=n, NumberOfFrames=4) for n in (1, 2)]
    assert sizes(split_series(features_of(slices))) == [1, 1]


def test_the_digest_depends_on_the_set_of_uids_alone() -> None:
    assert sub_stack_digest(["1.2", "1.3"]) == sub_stack_digest(["1.3", "1.2"])
    assert sub_stack_digest(["1.2", "1.3"]) != sub_stack_digest(["1.2", "1.31"])
    assert len(sub_stack_digest(["1.2"])) == 16


def test_no_instances_give_no_stacks() -> None:
    assert split_series([]) == []


def test_series_are_grouped_and_nameless_ones_left_out() -> None:
    slices = [make_instance(series=2), make_instance(series=1), make_instance(series=3)]
    del slices[2].SeriesInstanceUID
    groups = group_by_series(features_of(slices))
    assert list(groups) == sorted(str(s.SeriesInstanceUID) for s in slices[:2])


def test_positions_without_geometry_are_refused() -> None:
    slices = make_series(n_slices=2)
    del slices[0].ImagePositionPatient
    with pytest.raises(ValueError, match="no position"):
        slice_positions_mm(features_of(slices))


def test_positions_within_the_noise_are_one() -> None:
    distinct, index = distinct_positions(np.array([5.0, 0.0, 5.001]))
    assert distinct.size == 2
    assert index.tolist() == [1, 0, 1]
