"""A phase that ends before its siblings is remarked on; nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.dicom.features import read_features
from schemas.dicom.sub_stacks import SubStack, split_series
from schemas.records import VolumeRecord
from tasks.convert.codes import Code
from tasks.convert.siblings import remark_on_siblings
from tasks.convert.store_series import failed_record
from tests.builders import make_series

N = 20


def phase(series: int, kept: slice = slice(None), n_slices: int = N, **elements: Any) -> SubStack:
    slices = make_series(n_slices=n_slices, series=series, modality="MR", **elements)[kept]
    (stack,) = split_series([read_features(data) for data in slices])
    return stack


def published(stack: SubStack) -> VolumeRecord:
    return replace(failed_record(stack, Code.SINGLE_SLICE), codes=(), verdict="OK")


def remarks(*stacks: SubStack) -> list[tuple[str, ...]]:
    found = remark_on_siblings(stacks, [published(stack) for stack in stacks])
    return [record.instances_at_fault for record in found if record.codes]


@pytest.mark.parametrize(
    ("kept", "named"),
    [(slice(1, None), [0]), (slice(None, -1), [-1]), (slice(1, -1), [0, -1])],
)
def test_a_phase_that_lacks_slices_at_an_end_is_named_with_its_ends(
    kept: slice, named: list[int]
) -> None:
    short = phase(3, kept)
    ends = tuple(sorted(str(short.members[i].sop_uid) for i in named))
    assert remarks(phase(1), phase(2), short) == [ends]


@pytest.mark.parametrize("kept", [slice(1, -1), slice(2, None), slice(None, -2)])
def test_two_slices_of_a_short_stack_are_missed_too(kept: slice) -> None:
    whole = [phase(series, n_slices=12) for series in (1, 2)]
    assert len(remarks(*whole, phase(3, kept, n_slices=12))) == 1


def test_the_remark_leaves_the_verdict() -> None:
    stacks = [phase(1), phase(2), phase(3, slice(1, None))]
    found = remark_on_siblings(stacks, [published(stack) for stack in stacks])
    assert [(r.codes, r.verdict) for r in found][2] == (("ENDS_BEFORE_SIBLINGS",), "OK")


@pytest.mark.parametrize(
    "stacks",
    [
        [phase(1), phase(2), phase(3)],
        [phase(1), phase(2, slice(1, None))],  # nobody knows which of two was planned
        [phase(1), phase(2), phase(3, slice(6, None))],  # another extent
        [phase(1), phase(2), phase(3, slice(1, None), EchoTime=77.0)],
        [phase(1), phase(2), phase(3, slice(1, None), StudyInstanceUID="1.2.3")],
    ],
)
def test_whole_phases_and_other_acquisitions_are_not_remarked_on(stacks: list[SubStack]) -> None:
    assert remarks(*stacks) == []


def test_a_phase_that_was_set_aside_is_no_sibling() -> None:
    stacks = [phase(1), phase(2), phase(3, slice(1, None))]
    records = [published(stack) for stack in stacks]
    records[0] = failed_record(stacks[0], Code.TRUNCATED)
    assert remark_on_siblings(stacks, records) == records
