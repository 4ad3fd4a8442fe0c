"""Any folder of DICOM: each file ends in a volume or with a reason, whatever it is."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydicom.dataset import Dataset

from schemas.dicom.features import read_features
from schemas.errors import BadInputError
from tasks.convert.folder_rows import FolderResult, count_files, count_folder
from tasks.convert.store import convert_many
from tasks.convert.store_folder import convert_folder
from tasks.convert.store_series import SeriesJob
from tasks.convert.store_unchanged import unchanged_counts
from tests.builders import make_instance, make_series, make_uid, to_bytes, write_files


def rows(result: FolderResult) -> list[tuple[str, str | None]]:
    return [(row.state, row.reason) for row in result.files]


def convert(tmp_path: Path, slices: list[Dataset], **files: bytes) -> FolderResult:
    write_files(tmp_path / "in" / "a", slices)
    (tmp_path / "in" / "z").mkdir()
    for name, raw in files.items():
        (tmp_path / "in" / "z" / name).write_bytes(raw)
    return convert_folder(tmp_path / "in", tmp_path / "out", workers=2, timeout_s=60.0)


def test_every_file_is_accounted_for(tmp_path: Path) -> None:
    other_uid_bytes = make_instance(series=5, instance=1)
    reused = make_instance(series=5, instance=1, SeriesNumber=6)
    structured = make_instance(series=7, Rows=None, Columns=None, PixelData=None)
    nameless = make_instance(series=8)
    del nameless.SeriesInstanceUID
    slices = make_series(n_slices=5)
    result = convert(
        tmp_path,
        slices,
        a_empty=b"",
        b_text=b"patient list",
        c_twin=to_bytes(slices[0]),
        d_reused=to_bytes(other_uid_bytes),
        e_reused=to_bytes(reused),
        f_report=to_bytes(structured),
        g_nameless=to_bytes(nameless),
        h_garbled=to_bytes(slices[0])[:132] + b"\x08\x00\x05\x00ZZ\xff\xff" * 40,
    )
    assert rows(result)[:5] == [("converted", None)] * 5
    assert [reason for _, reason in rows(result)[5:12]] == [
        "EMPTY_FILE",
        "NOT_DICOM",
        "DUPLICATE",
        "UID_REUSED",
        "UID_REUSED",
        "NO_PIXEL_DATA",
        "MISSING_UID",
    ]
    assert rows(result)[12][0] == "set_aside"
    assert rows(result)[12][1] is not None
    assert sum(count_files(result).values()) == 13


def test_the_tables_hold_one_row_a_file_and_one_a_sub_stack(tmp_path: Path) -> None:
    second = make_series(n_slices=4, series=2, missing_slice=2)
    result = convert(tmp_path, [*make_series(n_slices=4), *second])
    files = pq.read_table(tmp_path / "out" / "files.parquet").to_pylist()
    volumes = pq.read_table(tmp_path / "out" / "volumes.parquet").to_pylist()
    assert [row["file_no"] for row in files] == list(range(1, 8))
    assert sorted(row["verdict"] for row in volumes) == ["OK", "QUARANTINE"]
    assert [row["reason"] for row in files if row["state"] == "set_aside"] == ["MISSING_SLICE"] * 3
    on_disk = [p.name for p in (tmp_path / "out").glob("*.nii.gz")]
    assert on_disk == [v.file_name for v in result.volumes if v.file_name]


def test_no_name_that_a_site_chose_is_in_the_output(tmp_path: Path) -> None:
    write_files(tmp_path / "in" / "Zhang_San", make_series(n_slices=4))
    convert_folder(tmp_path / "in", tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        assert "Zhang" not in path.name
        assert b"Zhang" not in path.read_bytes()
        assert not path.name.startswith(".")


def test_a_second_run_gives_the_same_bytes(tmp_path: Path) -> None:
    convert(tmp_path, make_series(n_slices=4))
    first = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    convert_folder(tmp_path / "in", tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == first


def test_a_series_uid_per_slice_is_joined_proven_and_flagged(tmp_path: Path) -> None:
    torn = make_series(n_slices=6)
    for data in torn:
        data.SeriesInstanceUID = make_uid("torn", data.InstanceNumber)
    result = convert(tmp_path, [*torn, *make_series(n_slices=4, series=2)])
    assert count_files(result) == {"converted": 10}
    (joined,) = (r for r in result.volumes if "UID_PER_SLICE" in r.codes)
    assert (joined.verdict, joined.n_instances, joined.dim_z) == ("REPAIRABLE", 6, 6)
    assert joined.round_trip_ok
    assert joined.series_uid == min(str(data.SeriesInstanceUID) for data in torn)
    assert set(joined.instances_at_fault) == {str(data.SOPInstanceUID) for data in torn}


def test_a_torn_stack_that_lacks_a_slice_is_not_published(tmp_path: Path) -> None:
    torn = make_series(n_slices=8, missing_slice=4)
    for data in torn:
        data.SeriesInstanceUID = make_uid("torn", data.InstanceNumber)
    (record,) = convert(tmp_path, torn).volumes
    assert record.codes == ("MISSING_SLICE", "UID_PER_SLICE")
    assert record.file_name is None


def test_two_single_slices_of_one_series_number_are_no_torn_stack(tmp_path: Path) -> None:
    pair = make_series(n_slices=2)
    for data in pair:
        data.SeriesInstanceUID = make_uid("pair", data.InstanceNumber)
    assert count_files(convert(tmp_path, pair)) == {"converted": 2}


def test_links_are_set_aside_wherever_they_lead_and_not_followed(tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", make_series(n_slices=3))
    src = tmp_path / "src"
    inside = write_files(src / "a", make_series(series=2, n_slices=3))
    (src / "folder").symlink_to(tmp_path / "outside")
    (src / "file.dcm").symlink_to(outside[0])
    (src / "again.dcm").symlink_to(inside[0])
    (src / "nothing.dcm").symlink_to("nowhere")
    (src / "loop").symlink_to("loop")
    os.mkfifo(src / "pipe")
    result = convert_folder(src, tmp_path / "dst")
    assert count_files(result) == {"UNSAFE_PATH": 6, "converted": 3}
    assert len(result.volumes) == 1
    assert unchanged_counts(src, tmp_path / "dst") == count_folder(result)


@pytest.mark.parametrize("inside", ["in", "in/out"])
def test_a_destination_inside_the_source_is_refused(tmp_path: Path, inside: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BadInputError, match="inside the source"):
        convert_folder(tmp_path / "in", tmp_path / inside)


def test_a_source_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="not a folder"):
        convert_folder(tmp_path / "absent", tmp_path / "out")


def written_at(tmp_path: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}


def test_an_unchanged_folder_is_recognised_and_nothing_is_written(tmp_path: Path) -> None:
    first = convert(
        tmp_path, [*make_series(n_slices=4), make_instance(series=3, Rows=None, PixelData=None)]
    )
    before = written_at(tmp_path)
    assert convert_folder(tmp_path / "in", tmp_path / "out") == first
    assert written_at(tmp_path) == before


def test_a_volume_that_is_gone_or_damaged_is_made_again(tmp_path: Path) -> None:
    first = convert(tmp_path, [*make_series(n_slices=4), *make_series(n_slices=4, series=2)])
    gone, damaged = (tmp_path / "out" / str(r.file_name) for r in first.volumes)
    gone.unlink()
    damaged.write_bytes(b"damaged")
    assert convert_folder(tmp_path / "in", tmp_path / "out") == first
    assert gone.exists()
    assert hashlib.sha256(damaged.read_bytes()).hexdigest() == first.volumes[1].sha256


def test_a_sidecar_that_was_edited_is_made_again(tmp_path: Path) -> None:
    first = convert(tmp_path, make_series(n_slices=4))
    sidecar = tmp_path / "out" / f"{first.volumes[0].sub_stack_digest}.json"
    whole = sidecar.read_bytes()
    sidecar.write_bytes(whole.replace(b"CT", b"MR"))
    assert convert_folder(tmp_path / "in", tmp_path / "out") == first
    assert sidecar.read_bytes() == whole


def test_a_file_that_was_replaced_under_its_old_time_is_seen(tmp_path: Path) -> None:
    convert(tmp_path, make_series(n_slices=4))
    path = tmp_path / "in" / "a" / "IM00002"
    old, raw = path.stat(), path.read_bytes()
    path.write_bytes(raw[:-2] + b"\x01\x02")
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert unchanged_counts(tmp_path / "in", tmp_path / "out") is None


def test_an_unchanged_folder_is_counted_without_opening_a_file(tmp_path: Path) -> None:
    result = convert(tmp_path, make_series(n_slices=4), a_empty=b"")
    before = count_folder(result)
    assert unchanged_counts(tmp_path / "in", tmp_path / "out") == before
    assert (before.n_files, before.sub_stacks, before.volumes) == (5, 1, 1)


def test_a_rehash_reads_everything_and_changes_nothing(tmp_path: Path) -> None:
    first = convert(tmp_path, make_series(n_slices=4))
    tree = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    assert convert_folder(tmp_path / "in", tmp_path / "out", rehash=True) == first
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == tree


def test_a_file_more_or_changed_is_seen(tmp_path: Path) -> None:
    convert(tmp_path, make_series(n_slices=4))
    write_files(tmp_path / "in" / "b", make_series(n_slices=4, series=2))
    assert len(convert_folder(tmp_path / "in", tmp_path / "out").volumes) == 2
    (tmp_path / "in" / "a" / "IM00002").write_bytes(b"")
    again = convert_folder(tmp_path / "in", tmp_path / "out")
    assert count_files(again) == {"EMPTY_FILE": 1, "MISSING_SLICE": 3, "converted": 4}


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    first = convert(tmp_path, make_series(n_slices=4))
    tree = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    (tmp_path / "out" / "unchanged.json").unlink()
    (tmp_path / "out" / ".scratch-x" / "convert-y").mkdir(parents=True)
    (tmp_path / "out" / ".some.nii.gz.part").write_bytes(b"half")
    assert convert_folder(tmp_path / "in", tmp_path / "out") == first
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == tree


def test_a_hang_on_one_sub_stack_costs_that_one_only(tmp_path: Path) -> None:
    second_echo = make_series(n_slices=4, modality="MR", EchoTime=9.0)
    for data in second_echo:
        data.SOPInstanceUID += ".9"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    slices = [*make_series(n_slices=4, modality="MR"), *second_echo]
    paths = write_files(tmp_path / "in", slices)
    # A pipe that nobody writes to: reading it never ends.
    paths[6].unlink()
    os.mkfifo(paths[6])
    job = SeriesJob(
        {str(data.SOPInstanceUID): path for data, path in zip(slices, paths, strict=True)},
        tuple(read_features(data) for data in slices),
        tmp_path / "out",
    )
    (records,) = convert_many([job], tmp_path / "scratch", timeout_s=1.5)
    assert sorted(record.codes for record in records) == [(), ("WORKER_TIMEOUT",)]
