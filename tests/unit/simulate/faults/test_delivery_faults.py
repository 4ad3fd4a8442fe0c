"""Faults of how things are sent: each hits what its name says and states what should come of it."""

from __future__ import annotations

import os
import stat
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest

from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.faults import file_faults
from tasks.simulate.faults.apply import ALL_FAULTS
from tasks.simulate.faults.file_faults import FILE_FAULTS
from tasks.simulate.nights import Request, plan_nights
from tasks.simulate.people.subjects import Subject
from tasks.simulate.store import simulate
from tests.unit.simulate.conftest import SEED, read_key
from tests.unit.simulate.planning import hit, planned, read


def test_a_duplicate_delivery_sends_the_same_bytes_again() -> None:
    first, second = planned("duplicate_delivery")
    before = {file.path: file for file in first.files if file.template}
    again = hit(second, "duplicate_delivery")
    assert {file.state for file in again} == {"duplicate"}
    assert all(before[file.path].content() == file.content() for file in again[::40])


def test_what_was_held_the_first_time_is_accepted_when_it_comes_whole() -> None:
    first, second = planned("duplicate_delivery", "broken_file", subjects=1)
    [broken] = hit(first, "broken_file")
    [mended] = [file for file in second.files if file.path == broken.path]
    assert (broken.state, mended.state) == ("quarantined", "accepted")


def test_a_redelivered_series_has_one_slice_more() -> None:
    name = "redelivered_with_one_more_slice"
    first, second = planned(name)
    again = hit(second, name)
    assert Counter(file.state for file in again) == {"duplicate": 11, "accepted": 1}
    [new] = [file for file in again if file.state == "accepted"]
    assert new.path not in {file.path for file in first.files}


def test_a_study_over_two_nights_is_whole_after_the_second() -> None:
    clean, _ = planned()
    first, second = planned("study_over_two_nights")
    later = hit(second, "study_over_two_nights")
    assert later
    assert {f.path for f in first.files}.isdisjoint({f.path for f in later})
    assert {f.path for f in (*first.files, *later)} == {f.path for f in clean.files}
    labels = [row["sub_stack_digest"] for row in (*first.labels, *second.labels)]
    assert {row["sub_stack_digest"] for row in clean.labels} <= set(labels)
    assert max(Counter(labels).values()) == 1


def test_a_study_over_two_nights_sends_no_series_twice_that_another_fault_has_hit() -> None:
    first, second = planned("study_over_two_nights", "uid_per_slice", subjects=1)
    series = [
        {f.template.context.series_uid for f in files if f.template}
        for files in (first.files, hit(second, "study_over_two_nights"))
    ]
    assert series[1]
    assert series[0].isdisjoint(series[1])


def test_all_faults_together_have_room_in_a_few_subjects_with_full_exams() -> None:
    faults = tuple(name for name in ALL_FAULTS if name != "many_tiny_files")
    request = Request(sites=3, subjects=4, nights=2, seed=SEED, faults=faults, full_exams=True)
    noted = {row["fault"] for night in plan_nights(request) for row in night.export.faults}
    assert noted == set(faults)


def test_papers_and_directories_that_come_again_are_no_duplicates_of_anything() -> None:
    request = Request(
        sites=1, subjects=1, nights=2, seed=SEED, faults=("duplicate_delivery",), full_exams=True
    )
    first, second = (night.export for night in plan_nights(request))
    assert "dicom/DICOMDIR" in {file.path for file in first.files}
    again = hit(second, "duplicate_delivery")
    states = {(file.state, file.path in _papers(first)) for file in again}
    assert states == {("duplicate", False), ("quarantined", True)}


def _papers(export: Export) -> set[str]:
    return {
        file.path
        for file in export.files
        if file.template and file.template.context.plan.name_key == "DOSE_REPORT"
    }


def _dwi_of(file: ExportFile, subject: Subject) -> bool:
    if file.template is None or file.fault:
        return False
    context = file.template.context
    return context.subject == subject and context.plan.name_key == "MR_DWI"


def test_a_wrong_patients_series_lies_in_one_study_with_another_persons() -> None:
    first, _ = planned("wrong_patient_series")
    images = [read(file) for file in hit(first, "wrong_patient_series")]
    [study] = {image.StudyInstanceUID for image in images}
    owners = {(str(image.SeriesInstanceUID), str(image.PatientID)) for image in images}
    assert owners == {
        (f"{study}.{number}", read(next(f for f in first.files if _dwi_of(f, subject))).PatientID)
        for number, subject in enumerate(first.subjects, start=1)
    }
    clean = [read(file) for file in first.files if file.template and not file.fault]
    assert study not in {image.StudyInstanceUID for image in clean[::10]}
    assert {file.reason for file in hit(first, "wrong_patient_series")} == {"STUDY_OF_TWO_SUBJECTS"}


def test_another_sites_subject_is_in_no_linkage_of_this_site() -> None:
    first, _ = planned("other_sites_subject")
    [file] = hit(first, "other_sites_subject")
    linkage = next(f for f in first.files if f.path == "linkage.csv").content()
    assert read(file).PatientID.encode() not in linkage
    assert file.reason == "NO_LINKAGE"


def test_a_reset_clock_changes_every_date_of_one_exam_and_no_other() -> None:
    first, _ = planned("scanner_clock_reset")
    changed = hit(first, "scanner_clock_reset")
    assert {read(file).StudyDate for file in changed[::20]} == {"20000101"}
    roles = {file.template.context.exam.plan.role for file in changed if file.template}
    assert roles == {"dce_mri"}


def test_a_wrong_hash_stands_in_a_manifest_that_is_otherwise_right(tmp_path: Path) -> None:
    simulate(tmp_path, sites=1, subjects=1, nights=1, faults=("manifest_hash_wrong",))
    [row] = [r for r in read_key(tmp_path, "files") if r["fault"] == "manifest_hash_wrong"]
    assert row["reason"] == "MANIFEST_MISMATCH"
    lines = (tmp_path / "S91" / "2026-11-20" / "manifest.csv").read_text("utf-8").splitlines()
    hashes = Counter(line.split(",")[1] for line in lines[1:])
    stated = {line.split(",")[0]: line.split(",")[1] for line in lines[1:]}
    assert hashes[stated[row["path"]]] == 1


def test_a_zip_bomb_is_small_and_claims_more_than_any_disk_has() -> None:
    first, _ = planned("zip_bomb")
    [file] = hit(first, "zip_bomb")
    data = file.content()
    assert len(data) < 8_000_000
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert sum(info.file_size for info in archive.infolist()) > 15 * 10**12
        with archive.open(archive.infolist()[0]) as member:
            assert member.read(1000) == bytes(1000)


def test_a_traversing_archive_points_up_and_away() -> None:
    first, _ = planned("path_traversal")
    [file] = hit(first, "path_traversal")
    with zipfile.ZipFile(BytesIO(file.content())) as archive:
        infos = archive.infolist()
    assert "../../../outside.dcm" in [info.filename for info in infos]
    assert any(info.filename.startswith("/") for info in infos)
    assert any(stat.S_ISLNK(info.external_attr >> 16) for info in infos)
    assert len(file.members) == len(infos)


def test_links_are_links_and_a_closed_file_is_closed(tmp_path: Path) -> None:
    simulate(tmp_path, sites=1, subjects=1, nights=1, faults=("symlinks", "unreadable_permissions"))
    export = tmp_path / "S91" / "2026-11-20"
    rows = {row["path"]: row for row in read_key(tmp_path, "files") if row["fault"]}
    links = [path for path, row in rows.items() if row["fault"] == "symlinks"]
    assert all((export / path).is_symlink() for path in links)
    assert {rows[path]["reason"] for path in links} == {"UNSAFE_PATH"}
    assert (export / "dicom" / "locked.dcm").stat().st_mode & 0o777 == 0


def test_links_of_a_zipped_site_are_links_in_the_zip(three_sites: Path) -> None:
    assert (three_sites / "S93" / "2026-11-20.zip").is_file()


def test_a_hundred_thousand_tiny_files_are_written_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert file_faults.N_TINY_FILES == 100_000
    # To write that many takes longer than all else here, and each is written as the one before.
    monkeypatch.setattr(file_faults, "N_TINY_FILES", 3_000)
    summary = simulate(tmp_path, sites=1, subjects=1, nights=1, faults=("many_tiny_files",))
    assert summary.n_files > 3_000
    thumbs = tmp_path / "S91" / "2026-11-20" / "dicom" / "thumbs"
    assert sum(len(names) for _, _, names in os.walk(thumbs)) == 3_000


def test_every_fault_of_a_file_hits_the_first_night_only() -> None:
    _, second = planned(*(name for name in FILE_FAULTS if name != "many_tiny_files"))
    assert not [file for file in second.files if file.fault in FILE_FAULTS]
