"""Frames and single slices are judged alike, whatever the order and the phases."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from schemas.dicom.features import read_features
from schemas.dicom.frames import expand_frames, member_key
from schemas.dicom.sub_stacks import group_by_series, slice_positions_mm, split_series
from tests.builders import make_instance, make_series, make_uid
from tests.unit.convert.enhanced import enhanced, uih_grid


def phases(n_slices: int, n_phases: int) -> list[Dataset]:
    made = []
    for phase in range(n_phases):
        for n in range(n_slices):
            data = make_instance(
                instance=100 * phase + n + 1, modality="MR", AcquisitionNumber=phase + 1
            )
            data.ImagePositionPatient = [-25.0, -20.0, 2.5 * n]
            made.append(data)
    return made


@given(n_slices=st.integers(2, 6), n_phases=st.integers(1, 4), seed=st.integers())
def test_frames_split_as_the_same_slices_do(n_slices: int, n_phases: int, seed: int) -> None:
    slices = phases(n_slices, n_phases)
    Random(seed).shuffle(slices)
    single = split_series([read_features(data) for data in slices])
    frames = split_series([read_features(enhanced(slices))])
    assert len(frames) == len(single) == n_phases
    # Which phase comes first follows from instance numbers, which frames do not have.
    places = [
        {
            stack.members[0].acquisition_number: slice_positions_mm(stack.members).tolist()
            for stack in stacks
        }
        for stacks in (single, frames)
    ]
    assert places[0] == places[1]


@given(n=st.integers(2, 20))
def test_every_tile_of_a_grid_is_a_member_once(n: int) -> None:
    features = read_features(uih_grid(make_series(n_slices=n, modality="MR")))
    frames = expand_frames(features)
    assert [member_key(m) for m in frames] == [f"{features.sop_uid}#{k}" for k in range(1, n + 1)]
    assert [m.position_lps[2] for m in frames] == [2.5 * k for k in range(1, n + 1)]


@given(n=st.integers(1, 8), others=st.integers(0, 3), seed=st.integers())
def test_a_torn_stack_is_one_series_in_any_order_and_takes_no_other(
    n: int, others: int, seed: int
) -> None:
    torn = make_series(n_slices=n)
    for data in torn:
        data.SeriesInstanceUID = make_uid("torn", data.InstanceNumber)
    whole = [s for k in range(others) for s in make_series(n_slices=3, series=k + 2)]
    features = [read_features(data) for data in [*torn, *whole]]
    groups = group_by_series(Random(seed).sample(features, len(features)))
    assert len(groups) == others + (1 if n >= 3 else n)
    assert sorted(m.sop_uid or "" for found in groups.values() for m in found) == sorted(
        m.sop_uid or "" for m in features
    )
    assert groups == group_by_series(features)
