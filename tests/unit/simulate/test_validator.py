"""A DICOM validator finds no missing attribute of type 1 in what any vendor's machine writes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.simulate.faults.fault_tools import template_of
from tasks.simulate.people.hospitals import HOSPITALS, Packing
from tests.unit.simulate.exams import by_series, full_export

DCIODVFY = shutil.which("dciodvfy")
pytestmark = pytest.mark.skipif(
    DCIODVFY is None and not os.environ.get("LIVERCOHORT_REQUIRE_DICOM3TOOLS"),
    reason="dciodvfy is not here: it comes with Debian's dicom3tools",
)


def errors_of(data: bytes, path: Path) -> list[str]:
    path.write_bytes(data)
    ended = subprocess.run(
        [str(DCIODVFY), "-new", str(path)], check=False, capture_output=True, timeout=60
    )
    said = (ended.stdout + ended.stderr).decode("utf-8", "replace")
    return [line for line in said.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("place", range(len(HOSPITALS)))
def test_no_attribute_of_type_1_is_missing_in_any_series(place: int, tmp_path: Path) -> None:
    checked = 0
    for files in by_series(full_export(place)).values():
        if template_of(files[0]).context.scanner.packing is Packing.DEFLATED:
            continue  # the validator cannot inflate
        errors = errors_of(files[0].content(), tmp_path / "image.dcm")
        missing = [e for e in errors if "Missing attribute for Type 1" in e]
        assert missing == [], template_of(files[0]).context.plan.name_key
        checked += 1
    assert checked > 15


def test_a_dicomdir_is_without_errors(tmp_path: Path) -> None:
    [directory] = [f for f in full_export(0).files if f.path == "dicom/DICOMDIR"]
    assert errors_of(directory.content(), tmp_path / "DICOMDIR") == []
