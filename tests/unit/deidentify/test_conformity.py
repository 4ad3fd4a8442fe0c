"""A validator judges what was written beside what was delivered, and quotes nobody."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from schemas.conformity import ConformityRow
from tasks.deidentify.conformity import NOT_INSTALLED, NOT_READ, compare, kinds_of, one_of_each
from tasks.deidentify.store_conformity import check_conformity, plain_object
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import (
    RING,
    assignment,
    deidentify_files,
    deliver,
    linkage,
    written,
)
from tests.unit.deidentify.multi_frame import make_enhanced

needs_validator = pytest.mark.skipif(
    shutil.which("dciodvfy") is None and not os.environ.get("LIVERCOHORT_REQUIRE_DICOM3TOOLS"),
    reason="dciodvfy (dicom3tools) is not here",
)
NAMED = (
    "CTImage\n"
    "Warning - </PatientName(0010,0010)[1]> - Value dubious for this VR [PN] = <Zhang Wei> - Old\n"
    "Error - </PatientSex(0010,0040)[1]> - Unrecognized enumerated value = <Zhang>\n"
)


def test_only_attribute_and_message_of_a_line_are_read_never_the_value() -> None:
    kinds = kinds_of(NAMED + "Error - Zhang_Wei is no attribute\n")
    assert kinds is not None
    assert sorted(kinds) == [
        ("Error", "", "other message"),
        ("Error", "PatientSex", "Unrecognized enumerated value"),
        ("Warning", "PatientName", "Value dubious for this VR"),
    ]


def test_what_was_there_before_is_not_new_and_each_new_line_counts() -> None:
    more = (
        NAMED + "Error - </Rows(0028,0010)> - Missing attribute for Type 1 Required - Module=<Y>\n"
    )
    row = compare("1.2", "1.1", "v", NAMED, more)
    assert (row.new_errors, row.new_warnings, row.released_errors) == (1, 0, 2)
    assert row.new_lines == ("Error - Rows - Missing attribute for Type 1 Required",)
    assert compare("1.2", "1.1", "v", more, NAMED).new_errors == 0
    twice = compare("1.2", "1.1", "v", NAMED, NAMED + NAMED.removeprefix("CTImage\n"))
    assert (twice.new_errors, twice.new_warnings) == (1, 1)


def test_an_object_that_the_validator_cannot_read_is_not_called_checked() -> None:
    row = compare("1.2", "1.1", "v", NAMED, "Error - Unexpected end\n")
    assert row == ConformityRow("1.2", "1.1", "v", not_checked=NOT_READ)


def test_one_object_stands_for_each_series_whatever_the_order() -> None:
    objects = [("s1", "3"), ("s2", "9"), ("s1", "1"), ("s1", "2")]
    assert one_of_each(objects) == one_of_each(reversed(objects)) == {"s1": "1", "s2": "9"}


@pytest.mark.parametrize("program", ["", "no-such-validator"])
def test_without_a_validator_each_series_says_so(tmp_path: Path, program: str) -> None:
    [row] = checked([make_instance(), make_instance(instance=2)], tmp_path, program)
    assert (row.not_checked, row.validator) == (NOT_INSTALLED, "")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda data: data[: len(data) // 2], "the check failed: EOFError"),
        (lambda data: data[:10] + b"\xff" * 20 + data[30:], "the check failed: error"),
        (lambda data: data[:-6] + b"\x00" * 6, "the check failed: BadGzipFile"),
    ],
)
def test_an_unpacker_that_fails_is_told_by_its_class_and_ends_nothing(
    tmp_path: Path, harm: Callable[[bytes], bytes], told: str
) -> None:
    path = tmp_path / "0.dcm"
    path.write_bytes(to_bytes(make_instance()))
    files = deliver([path])
    outcomes = deidentify_files(
        files, linkage(assignment("PID000001", "PID000001")), RING, tmp_path / "out", 1
    )
    path.write_bytes(harm(gzip.compress(path.read_bytes())))
    [row] = check_conformity(files, outcomes, tmp_path / "out", shutil.which("true") or "", 1)
    assert row.not_checked == told


def test_what_grows_beyond_the_bound_is_not_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"\0" * 1000))
    assert plain_object(bomb, tmp_path, most_bytes=999) is None
    assert (tmp_path / "object.dcm").stat().st_size < 1000
    whole = plain_object(bomb, tmp_path, most_bytes=1000)
    assert whole is not None
    assert whole.read_bytes() == b"\0" * 1000


@needs_validator
def test_no_series_has_an_error_or_warning_that_it_was_not_delivered_with(tmp_path: Path) -> None:
    classic = make_instance(modality="MR", ReceiveCoilName="张伟 coil", PatientName="A^B")
    rows = checked([classic, make_instance(instance=2, SeriesInstanceUID="1.2.9")], tmp_path)
    assert len(rows) == 2
    assert [row.new_lines for row in rows] == [(), ()]
    assert all(row.validator.startswith("dciodvfy 1.") and not row.not_checked for row in rows)


@needs_validator
@pytest.mark.parametrize("folder", ["siemens_xa30_enhanced", "canon_enhanced", "ge_mr"])
@pytest.mark.real_data
def test_real_objects_gain_no_error_and_no_warning(
    real_dicom: Path, tmp_path: Path, folder: str
) -> None:
    one_a_series = {
        dcmread(p, specific_tags=["SeriesInstanceUID"]).SeriesInstanceUID: p
        for p in sorted((real_dicom / folder).rglob("*"))
        if p.is_file()
    }
    rows = checked_files(list(one_a_series.values()), tmp_path, "dciodvfy")
    assert len(rows) == len(one_a_series)
    assert {row.new_lines for row in rows} == {()}


def test_an_enhanced_object_keeps_the_places_of_its_image_type() -> None:
    data = make_enhanced()
    data.ImageType = ["ORIGINAL", "PRIMARY", "ZHANGWEI", "NONE"]
    data.PulseSequenceName = "Zhang Wei"
    data.SoftwareVersions = "Zhang"
    after = written(data)
    assert list(after.ImageType) == ["ORIGINAL", "PRIMARY", "OTHER", "NONE"]
    assert after.PulseSequenceName == after.SoftwareVersions == "UNKNOWN"


def checked(
    objects: list[Dataset], folder: Path, program: str = "dciodvfy"
) -> tuple[ConformityRow, ...]:
    paths = [folder / f"{n}.dcm" for n, _ in enumerate(objects)]
    for path, data in zip(paths, objects, strict=True):
        path.write_bytes(to_bytes(data))
    return checked_files(paths, folder, program)


def checked_files(paths: list[Path], folder: Path, program: str) -> tuple[ConformityRow, ...]:
    files, out = deliver(paths), folder / "out"
    people = {str(dcmread(path, specific_tags=["PatientID"]).PatientID) for path in paths}
    links = linkage(*(assignment(person, person) for person in sorted(people)))
    outcomes = deidentify_files(files, links, RING, out, 1)
    return check_conformity(files, outcomes, out, program, 2)
