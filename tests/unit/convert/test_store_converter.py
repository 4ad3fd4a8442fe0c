"""The converter is a guest: it may crash, hang, fail or write too much."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from tasks.convert import store_converter
from tasks.convert.codes import Code
from tasks.convert.store_binary import Binary, find_binary, flags_text
from tasks.convert.store_converter import Run, run_dcm2niix
from tests.builders import make_series, write_files


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    return write_files(tmp_path / "dicom", make_series(n_slices=4))


def run_script(
    body: str, sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run a shell script in the place of the converter; `$out` is its output folder."""
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\nwhile [ "$1" != "-o" ]; do shift; done\nout=$2\n' + body + "\n")
    script.chmod(0o755)
    fake = Binary(script, "0", find_binary().sha256)
    monkeypatch.setattr(store_converter, "find_binary", lambda: fake)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return run_dcm2niix(sources, scratch, timeout_s=2.0)


def test_the_real_converter_gives_one_image(sources: list[Path], tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    run = run_dcm2niix(sources, scratch, timeout_s=30.0)
    assert (run.faults, run.exit_code) == ((), 0)
    assert run.nifti is not None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("kill -ABRT $$", Code.CONVERTER_CRASHED),
        ("exec sleep 30", Code.CONVERTER_TIMEOUT),
        ("exit 1", Code.CONVERTER_FAILED),
        ("exit 0", Code.CONVERTER_FAILED),
        ("touch $out/volume_Eq_1.nii", Code.CONVERTER_FAILED),
        ("touch $out/volume.nii $out/volumea.nii", Code.CONVERTER_SPLIT),
    ],
)
def test_what_the_converter_does_wrong_has_a_code(
    body: str,
    code: Code,
    sources: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = time.monotonic()
    run = run_script(body, sources, tmp_path, monkeypatch)
    assert [fault.code for fault in run.faults] == [code]
    assert run.nifti is None
    assert time.monotonic() - began < 15


def test_an_interpolated_image_is_not_taken_for_the_native_one(
    sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "touch $out/volume.nii $out/volume_Eq_1.nii $out/volume_Tilt_1.nii"
    run = run_script(body, sources, tmp_path, monkeypatch)
    assert run.nifti is not None
    assert run.nifti.name == "volume.nii"


def test_the_binary_is_pinned_by_its_bytes() -> None:
    binary = find_binary()
    assert binary.sha256 == hashlib.sha256(binary.path.read_bytes()).hexdigest()
    assert flags_text() == "-g i -z n -i n -p n -x n -ba y -c '' -b y -f volume"
