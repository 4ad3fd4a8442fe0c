"""Each fault does what its name says, and nothing else changes."""

from __future__ import annotations

import re
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.errors import InvalidDicomError

from schemas.errors import BadInputError
from schemas.states import FileState, ReasonCode
from tasks.simulate.faults.apply import ALL_FAULTS, DEFAULT_FAULTS
from tasks.simulate.nights import Request, plan_nights
from tasks.simulate.store import simulate
from tests.unit.simulate.conftest import SEED, Delivered, read_exports, read_key


def faulted(delivered: Delivered, fault: str) -> list[tuple[dict[str, Any], bytes]]:
    return [
        (row, delivered.files[row["site"], row["export"], row["path"]])
        for row in delivered.key("files")
        if row["fault"] == fault
    ]


def test_every_expected_state_and_reason_is_one_of_the_pipelines(delivered: Delivered) -> None:
    for row in delivered.key("files"):
        state = FileState(row["state"])
        assert (row["reason"] is not None) == (state is FileState.QUARANTINED)
        if row["reason"]:
            ReasonCode(row["reason"])


def test_the_default_faults_hit_six_files_beside_what_they_take_away(
    delivered: Delivered,
) -> None:
    hit = Counter(row["fault"] for row in delivered.key("files") if row["fault"])
    assert hit == dict.fromkeys(
        (
            "broken_file",
            "text_named_dcm",
            "no_linkage",
            "duplicate_instance",
            "secondary_capture",
            "burned_in",
        ),
        1,
    )
    assert {row["fault"] for row in delivered.key("faults")} == set(DEFAULT_FAULTS)


def test_a_broken_file_ends_before_its_pixels_do(delivered: Delivered) -> None:
    [(row, data)] = faulted(delivered, "broken_file")
    assert row["reason"] == "TRUNCATED"
    image = pydicom.dcmread(BytesIO(data))
    assert len(image.PixelData) < image.Rows * image.Columns * 2


def test_a_duplicate_is_the_same_bytes_under_another_name(delivered: Delivered) -> None:
    [(row, data)] = faulted(delivered, "duplicate_instance")
    [fault] = [f for f in delivered.key("faults") if f["fault"] == "duplicate_instance"]
    assert fault["twin"] == row["path"]
    assert delivered.files[row["site"], row["export"], fault["path"]] == data


def test_a_missing_slice_is_nowhere_in_the_export(delivered: Delivered) -> None:
    [fault] = [f for f in delivered.key("faults") if f["fault"] == "missing_slice"]
    sop_uid = fault["sop_uid"].encode()
    padded = (sop_uid + b"\x00", sop_uid + b" ")
    site = [data for place, data in delivered.files.items() if place[0] == fault["site"]]
    assert not any(mark in data for data in site for mark in padded)
    neighbours = Counter(fault["series_uid"].encode() in data for data in site)
    assert neighbours[True] == 11


def test_a_secondary_capture_shows_text_in_eight_bit_pixels(delivered: Delivered) -> None:
    [(_, data)] = faulted(delivered, "secondary_capture")
    image = pydicom.dcmread(BytesIO(data))
    assert image.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert image.BitsAllocated == 8
    assert (image.pixel_array == 255).any()


def test_a_burned_in_image_differs_from_the_clean_slice_only_where_text_is_white(
    delivered: Delivered,
) -> None:
    [(row, data)] = faulted(delivered, "burned_in")
    [fault] = [f for f in delivered.key("faults") if f["fault"] == "burned_in"]
    clean = pydicom.dcmread(
        BytesIO(delivered.files[row["site"], row["export"], fault["path"]])
    ).pixel_array
    burned = pydicom.dcmread(BytesIO(data))
    assert burned.BurnedInAnnotation == "YES"
    changed = burned.pixel_array != clean
    assert changed.sum() > 50
    assert set(burned.pixel_array[changed]) == {4095}


def test_a_text_named_dcm_is_no_dicom(delivered: Delivered) -> None:
    [(row, data)] = faulted(delivered, "text_named_dcm")
    assert row["path"].endswith(".dcm")
    with pytest.raises(InvalidDicomError):
        pydicom.dcmread(BytesIO(data))


def test_an_unlinked_object_has_a_patient_id_that_no_linkage_knows(delivered: Delivered) -> None:
    [(row, data)] = faulted(delivered, "no_linkage")
    patient_id = pydicom.dcmread(BytesIO(data)).PatientID
    for (site, _, path), content in delivered.files.items():
        if site == row["site"] and path == "linkage.csv":
            assert patient_id.encode() not in content


def test_a_late_form_is_absent_on_the_first_night_and_there_on_the_second(
    delivered: Delivered,
) -> None:
    forms = [(site, export) for site, export, path in delivered.files if "病理" in path]
    assert forms == [("S92", "2026-11-21")]


def test_a_reused_uid_stands_on_two_files_with_other_pixels(tmp_path: Path) -> None:
    simulate(tmp_path, sites=1, subjects=1, nights=1, faults=("uid_reused",))
    images = []
    for (_, _, path), data in read_exports(tmp_path).items():
        if path.startswith("dicom/"):
            images.append(pydicom.dcmread(BytesIO(data)))
    [(uid, count)] = Counter(str(i.SOPInstanceUID) for i in images).most_common(1)
    assert count == 2
    first, second = (i.PixelData for i in images if i.SOPInstanceUID == uid)
    assert first != second


def test_without_faults_every_file_is_accepted_clinical_or_control(tmp_path: Path) -> None:
    simulate(tmp_path, sites=1, subjects=1, nights=1, faults=())
    assert "quarantined" not in {row["state"] for row in read_key(tmp_path, "files")}
    assert read_key(tmp_path, "faults") == []


@pytest.mark.parametrize("fault", ALL_FAULTS)
def test_each_fault_can_be_planned_alone_at_a_single_site(fault: str) -> None:
    request = Request(sites=1, subjects=2, nights=2, seed=SEED, faults=(fault,))
    noted = [row for night in plan_nights(request) for row in night.export.faults]
    assert {row["fault"] for row in noted} == {fault}


def test_all_faults_can_be_planned_together_with_states_of_the_pipeline_and_no_path_twice() -> None:
    request = Request(sites=3, subjects=4, nights=2, seed=SEED, faults=ALL_FAULTS)
    for night in plan_nights(request):
        paths = Counter(file.path for file in night.export.files)
        assert [path for path, count in paths.items() if count > 1] == []
        for file in night.export.files:
            state = FileState(file.state)
            assert (file.reason is not None) == (state is FileState.QUARANTINED), file.fault
            if file.reason:
                ReasonCode(file.reason)


def test_a_fault_of_two_nights_is_refused_in_one(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="study_over_two_nights in one night"):
        simulate(tmp_path, sites=1, nights=1, faults=("study_over_two_nights",))


def test_the_documentation_names_every_fault_and_no_other() -> None:
    text = (Path(__file__).parents[4] / "docs" / "simulator.md").read_text(encoding="utf-8")
    section = text.split("\n## Faults\n")[1].split("\n## Answer key\n")[0]
    cells = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`([a-z0-9_]+)`", cell)]
    assert sorted(named) == sorted(ALL_FAULTS)


def test_the_documentation_marks_the_faults_of_the_demo() -> None:
    text = (Path(__file__).parents[4] / "docs" / "simulator.md").read_text(encoding="utf-8")
    marked = re.findall(r"^\| `([a-z0-9_]+)` \|.*\(\*demo\*\)", text, re.MULTILINE)
    assert set(marked) == set(DEFAULT_FAULTS)
