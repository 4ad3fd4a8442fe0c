"""Laws of splitting: order changes nothing, nothing is lost, phases hold a position once."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.dicom.sub_stacks import distinct_positions, slice_positions_mm, split_series
from tests.builders import make_instance

_ONE = read_features(make_instance())
_ORIENTATIONS = ((1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (1.0, 0.0, 0.0, 0.0, 0.0, -1.0))


@st.composite
def series(draw: st.DrawFn) -> list[InstanceFeatures]:
    """Return up to 30 instances of one series with any mix of keys and geometry."""
    small = st.one_of(st.none(), st.integers(1, 3))
    n = draw(st.integers(1, 30))
    return [
        replace(
            _ONE,
            sop_uid=f"2.25.{i + 1}",
            position_lps=draw(
                st.sampled_from([(), *((0.0, 2.5 * k, 2.5 * k) for k in range(1, 7))])
            ),
            orientation_lps=draw(st.sampled_from(_ORIENTATIONS)),
            temporal_position=draw(small),
            acquisition_number=draw(small),
            acquisition_time_s=draw(st.one_of(st.none(), st.sampled_from([1.0, 2.0]))),
            instance_number=draw(small),
            echo_time_ms=draw(st.sampled_from([None, 2.3])),
            b_value=draw(st.sampled_from([None, None, None, 800.0])),
        )
        for i in range(n)
    ]


@given(instances=series(), seed=st.integers())
def test_the_order_of_the_input_changes_nothing(
    instances: list[InstanceFeatures], seed: int
) -> None:
    shuffled = Random(seed).sample(instances, len(instances))
    assert split_series(instances) == split_series(shuffled)


@given(instances=series())
def test_every_instance_is_in_exactly_one_sub_stack(instances: list[InstanceFeatures]) -> None:
    uids = [m.sop_uid for stack in split_series(instances) for m in stack.members]
    assert sorted(map(str, uids)) == sorted(str(m.sop_uid) for m in instances)


@given(instances=series())
def test_a_phase_holds_a_position_once(instances: list[InstanceFeatures]) -> None:
    phases = ("temporal_position", "acquisition_number", "acquisition_time", "repeated_position")
    for stack in split_series(instances):
        if stack.split_by and stack.split_by[-1] in phases:
            positions, _ = distinct_positions(slice_positions_mm(stack.members))
            assert len(positions) == len(stack.members)


@given(instances=series())
def test_splitting_a_sub_stack_again_leaves_it_whole(instances: list[InstanceFeatures]) -> None:
    for stack in split_series(instances):
        again = split_series(stack.members)
        assert [part.digest for part in again] == [stack.digest]
