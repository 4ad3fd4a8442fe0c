"""A torn stack is filed under one series; what is whole keeps the UID it came with."""

from __future__ import annotations

import pytest

from schemas.dicom.features import read_features
from schemas.dicom.sub_stacks import group_by_series
from schemas.dicom.torn_series import filed_instances, join_torn
from tests.builders import make_series, make_uid


def test_every_instance_is_filed_where_its_stack_is() -> None:
    torn = make_series(n_slices=6)
    for data in torn:
        data.SeriesInstanceUID = make_uid("torn", data.InstanceNumber)
    whole = make_series(n_slices=4, series=2)
    instances = [read_features(data) for data in (*torn, *whole)]
    filed = filed_instances(instances)
    assert [one.sop_uid for one in filed] == [one.sop_uid for one in instances]
    assert {one.series_uid for one in filed[:6]} == {min(d.SeriesInstanceUID for d in torn)}
    assert filed[6:] == instances[6:]
    assert {one.series_uid for one in filed} == join_torn(group_by_series(instances)).keys()


@pytest.mark.parametrize("frame", ["one", "none", "its own"])
@pytest.mark.parametrize("number", [7, None])
def test_empty_numbers_and_spaces_do_not_keep_slices_apart(frame: str, number: int | None) -> None:
    torn = make_series(n_slices=6, SeriesNumber=number)
    for data in torn:
        data.SeriesInstanceUID = make_uid("torn", data.InstanceNumber)
        if frame == "none":
            del data.FrameOfReferenceUID
        elif frame == "its own":
            data.FrameOfReferenceUID = make_uid("frame", data.InstanceNumber)
    joined = group_by_series([read_features(data) for data in torn])
    assert [len(members) for members in joined.values()] == [6]
