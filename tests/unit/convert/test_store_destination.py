"""What a destination already holds: kept, removed and told, or refused, never silent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from schemas.dicom.sub_stacks import split_series
from schemas.errors import BadInputError, EnvironmentProblemError
from schemas.records import VolumeRecord
from tasks.convert.codes import Code
from tasks.convert.folder_rows import FolderResult, count_folder
from tasks.convert.store_destination import require_space
from tasks.convert.store_folder import convert_folder
from tasks.convert.store_series import SeriesJob, failed_record
from tasks.convert.store_unchanged import unchanged_counts
from tests.builders import make_series, write_files
from tests.unit.convert.test_store_many import job_of


def run(tmp_path: Path, **folders: list[Dataset]) -> FolderResult:
    for name, slices in folders.items():
        write_files(tmp_path / "in" / name, slices)
    return convert_folder(tmp_path / "in", tmp_path / "out")


def images(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "out").glob("*.nii.gz")}


def published(result: FolderResult) -> set[str]:
    return {volume.file_name for volume in result.volumes if volume.file_name}


def test_a_volume_that_the_source_no_longer_gives_is_removed_and_told(tmp_path: Path) -> None:
    run(tmp_path, a=make_series(n_slices=4), b=make_series(n_slices=4, series=2))
    for path in (tmp_path / "in" / "b").iterdir():
        path.unlink()
    result = run(tmp_path)
    assert result.removed == count_folder(result).removed == 1
    assert images(tmp_path) == published(result)
    assert len(list((tmp_path / "out").iterdir())) == 3 + 3  # one volume, two tables, the mark
    again = unchanged_counts(tmp_path / "in", tmp_path / "out")
    assert again is not None
    assert again.removed == 0


def test_a_volume_whose_source_was_spoilt_since_is_removed(tmp_path: Path) -> None:
    run(tmp_path, a=make_series(n_slices=4), b=make_series(n_slices=4, series=2))
    victim = tmp_path / "in" / "b" / "IM00002"
    victim.write_bytes(victim.read_bytes()[:-100])
    result = run(tmp_path)
    assert sorted(volume.codes for volume in result.volumes) == [(), ("TRUNCATED",)]
    assert (result.removed, images(tmp_path)) == (1, published(result))


def test_a_series_that_grew_replaces_its_volume(tmp_path: Path) -> None:
    whole = make_series(n_slices=6)
    run(tmp_path, a=whole[:5])
    result = run(tmp_path, b=whole[5:])
    assert [volume.n_instances for volume in result.volumes] == [6]
    assert (result.removed, images(tmp_path)) == (1, published(result))


def test_volumes_of_another_source_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    first = run(tmp_path, a=make_series(n_slices=4))
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    write_files(tmp_path / "other", make_series(n_slices=4, series=2))
    with pytest.raises(BadInputError, match="holds 1 volumes of another source"):
        convert_folder(tmp_path / "other", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert convert_folder(tmp_path / "in", tmp_path / "out") == first


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_destination_that_is_no_folder_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadInputError, match="not a folder"):
        convert_folder(tmp_path / "in", tmp_path / place)


def failed(job: SeriesJob, code: str) -> list[VolumeRecord]:
    stack = split_series(job.features)[0]
    return [failed_record(stack, Code(code))]


def test_a_full_disk_is_told_from_a_series_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(tmp_path, 1)
    failures = [failed(job, "CONVERTER_FAILED")]
    require_space(tmp_path, [job], failures)

    class FullDisk:
        free = 4096

    monkeypatch.setattr(shutil, "disk_usage", lambda _: FullDisk)
    with pytest.raises(EnvironmentProblemError, match="full"):
        require_space(tmp_path, [job], failures)
    require_space(tmp_path, [job], [failed(job, "TRUNCATED")])


def test_a_run_that_lost_a_worker_is_tried_again(tmp_path: Path) -> None:
    write_files(tmp_path / "in", make_series(n_slices=4))
    lost = convert_folder(tmp_path / "in", tmp_path / "out", timeout_s=0.0)
    codes = {code for volume in lost.volumes for code in volume.codes}
    assert codes in ({"CONVERTER_TIMEOUT"}, {"WORKER_TIMEOUT"})
    assert unchanged_counts(tmp_path / "in", tmp_path / "out") is None
    assert [v.codes for v in convert_folder(tmp_path / "in", tmp_path / "out").volumes] == [()]
