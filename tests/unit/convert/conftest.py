"""Real conversion of series built in memory: real files, the real converter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from schemas.dicom.features import read_features
from schemas.records import VolumeRecord
from tasks.convert.counts import NOTHING_STATED, StatedCounts
from tasks.convert.store_series import convert_series
from tests.builders import write_files

Convert = Callable[..., list[VolumeRecord]]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """Write the slices, spoil files on request (number -> bytes), convert, return records."""

    def run(
        slices: list[Dataset],
        *,
        spoil: dict[int, Callable[[bytes], bytes]] | None = None,
        stated: StatedCounts = NOTHING_STATED,
    ) -> list[VolumeRecord]:
        files = write_files(tmp_path / "dicom", slices)
        for number, change in (spoil or {}).items():
            files[number].write_bytes(change(files[number].read_bytes()))
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        return convert_series(
            {str(data.SOPInstanceUID): path for data, path in zip(slices, files, strict=True)},
            [read_features(data) for data in slices],
            tmp_path / "nifti",
            scratch,
            30.0,
            stated=stated,
        )

    return run
