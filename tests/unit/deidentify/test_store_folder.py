"""The folder command: every input file has its row in the audit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydicom import dcmread

from schemas.errors import BadInputError
from schemas.run.atomic_files import sha256_of_file
from tasks.deidentify.identifiers import IdentifierKind
from tasks.deidentify.search import store_scan
from tasks.deidentify.search.hits import ScanHit
from tasks.deidentify.store_folder import deidentify_folder
from tests.builders import make_instance, make_series, write_files
from tests.unit.deidentify.helpers import RING, SITE, assignment, linkage


def test_the_audit_has_one_row_per_file_and_names_none(tmp_path: Path) -> None:
    src, dst = tmp_path / "src", tmp_path / "dst"
    paths = write_files(src / "ZhangWeiming", make_series(n_slices=3))
    (src / "readme.txt").write_text("hello")
    summary = deidentify_folder(src, dst, SITE, RING, subject_from="patient_id")
    rows = pq.read_table(dst / "audit.parquet").to_pylist()
    assert summary.files == sum(summary.states.values()) == len(rows) == 4
    assert [r["file_no"] for r in rows] == [1, 2, 3, 4]
    assert [r["reason"] for r in rows] == [None, None, None, "NOT_DICOM"]
    assert rows[0]["source_sha256"] == sha256_of_file(paths[0])
    for row in rows[:3]:
        assert row["output_sha256"] == sha256_of_file(dst / row["output"])
        assert row["n_date"] == 4
        assert row["n_remove"] >= 1
    assert "Weiming" not in str(rows)


def test_the_linkage_says_who_the_subjects_are(tmp_path: Path) -> None:
    write_files(tmp_path / "src", [make_instance(subject=1), make_instance(subject=2)])
    links = linkage(assignment("LC-001", "PID000001"))
    summary = deidentify_folder(
        tmp_path / "src", tmp_path / "dst", SITE, RING, assignments=links, workers=2
    )
    assert summary.states == {"accepted": 1, "quarantined": 1}
    assert summary.reasons == {"NO_LINKAGE": 1}


def test_a_hit_of_the_scan_takes_back_every_object_of_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = make_series(n_slices=2)
    write_files(tmp_path / "src", [one, one, other, make_instance(subject=2)])

    def hit_in_first(paths: list[Path], dictionary: object, workers: int) -> list[ScanHit]:
        found = [p for p in sorted(paths[0].rglob("*.dcm")) if dcmread(p).PatientID == first]
        return [ScanHit(found[0], IdentifierKind.PHONE, "")]

    first = assignment("PID000001").subject_id
    monkeypatch.setattr(store_scan, "scan_paths", hit_in_first)
    summary = deidentify_folder(
        tmp_path / "src", tmp_path / "dst", SITE, RING, subject_from="patient_id"
    )
    assert summary.reasons == {"IDENTIFIER_FOUND": 3}
    left = [dcmread(p).PatientID for p in (tmp_path / "dst").rglob("*.dcm")]
    assert left == [assignment("PID000002").subject_id]


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    src, dst = tmp_path / "src", tmp_path / "dst"
    write_files(src, [make_instance()])
    dst.mkdir()
    (dst / "mine.txt").write_text("keep")
    for target in (dst, src, src / "inside", tmp_path):
        with pytest.raises(BadInputError):
            deidentify_folder(src, target, SITE, RING, subject_from="patient_id")
    assert [p.name for p in dst.iterdir()] == ["mine.txt"]


def test_a_target_that_is_a_file_or_a_link_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path / "src", [make_instance()])
    (tmp_path / "file").write_text("keep")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        with pytest.raises(BadInputError, match="not a folder"):
            deidentify_folder(
                tmp_path / "src", tmp_path / name, SITE, RING, subject_from="patient_id"
            )
    assert (tmp_path / "file").read_text() == "keep"


def test_without_linkage_or_choice_nothing_is_done(tmp_path: Path) -> None:
    write_files(tmp_path / "src", [make_instance()])
    with pytest.raises(BadInputError, match="--subject-from"):
        deidentify_folder(tmp_path / "src", tmp_path / "dst", SITE, RING)
    assert not (tmp_path / "dst").exists()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    with pytest.raises(BadInputError, match="no file"):
        deidentify_folder(tmp_path / "src", tmp_path / "dst", SITE, RING, subject_from="patient_id")


def test_links_are_quarantined_wherever_they_lead_and_not_followed(tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", make_series(n_slices=3))
    src, dst = tmp_path / "src", tmp_path / "dst"
    inside = write_files(src / "a", [make_instance(subject=2)])
    (src / "folder").symlink_to(tmp_path / "outside")
    (src / "file.dcm").symlink_to(outside[0])
    (src / "again.dcm").symlink_to(inside[0])
    (src / "nothing.dcm").symlink_to("nowhere")
    (src / "loop").symlink_to("loop")
    os.mkfifo(src / "pipe")
    summary = deidentify_folder(src, dst, SITE, RING, subject_from="patient_id")
    assert summary.states == {"accepted": 1, "quarantined": 6}
    assert summary.reasons == {"UNSAFE_PATH": 6}
    rows = pq.read_table(dst / "audit.parquet").to_pylist()
    assert [r["reason"] for r in rows] == [None] + ["UNSAFE_PATH"] * 6
    assert len(list(dst.rglob("*.dcm"))) == 1


def test_a_folder_that_cannot_be_listed_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "src" / "a", [make_instance()])
    (tmp_path / "src" / "b").mkdir()
    listed = os.scandir

    def refuses(path: str) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuses)
    with pytest.raises(BadInputError, match="cannot be listed"):
        deidentify_folder(tmp_path / "src", tmp_path / "dst", SITE, RING, subject_from="patient_id")
    assert not (tmp_path / "dst").exists()
