"""Real scanners: every volume is proven and equal to what plain dcm2niix writes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import dcm2niix
import nibabel
import numpy as np
import pytest

from tasks.convert.folder_rows import count_files
from tasks.convert.store_folder import convert_folder

FOLDERS = (
    "ct_liver_3_slices",
    "ge_ct_chest_abdomen_pelvis",
    "ge_mr/02_Ax_DWI_TENSOR_R3",
    "ge_mr/05_3D_Ax_T1_MP_RAGE_R22",
    *(f"siemens_ge_mr_epi/In/20180918Si/mr_000{n}" for n in (3, 4, 5, 6)),
    *(f"siemens_ge_mr_epi/In/20180918GE/mr_000{n}" for n in (4, 5, 6, 7)),
    "uih_diffusion_grid",
    "siemens_xa30_enhanced/diffusion",
)


@pytest.mark.real_data
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_real_series_is_the_same_as_plain_dcm2niix_with_proof(
    real_dicom: Path, tmp_path: Path, folder: str
) -> None:
    result = convert_folder(real_dicom / folder, tmp_path / "out")
    (record,) = result.volumes
    assert (record.verdict, record.codes, record.round_trip_ok) == ("OK", (), True)
    assert set(count_files(result)) == {"converted"}
    plain = tmp_path / "plain"
    plain.mkdir()
    command = [dcm2niix.bin, "-g", "i", "-z", "n", "-f", "x", "-o", str(plain)]
    subprocess.run([*command, str(real_dicom / folder)], check=True, capture_output=True)
    ours: Any = nibabel.load(tmp_path / "out" / str(record.file_name))
    theirs: Any = nibabel.load(plain / "x.nii")
    assert np.array_equal(np.asanyarray(ours.dataobj), np.asanyarray(theirs.dataobj))
    assert np.array_equal(ours.affine, theirs.affine)
    if (plain / "x.bval").exists():
        b_values = [float(word) for word in (plain / "x.bval").read_text().split()]
        assert list(record.b_values) == pytest.approx(b_values, rel=1e-5)
        directions = np.loadtxt(tmp_path / "out" / f"{record.sub_stack_digest}.bvec")
        assert np.allclose(directions, np.loadtxt(plain / "x.bvec"), atol=1e-6)


def has_preamble(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


@pytest.mark.real_data
def test_the_whole_folder_ends_with_every_file_accounted_for(
    real_dicom: Path, tmp_path: Path
) -> None:
    result = convert_folder(real_dicom, tmp_path / "out", workers=2)
    assert len(result.files) == sum(path.is_file() for path in real_dicom.rglob("*"))
    plain = [path for path in real_dicom.rglob("*") if path.is_file()]
    images = [path for path in plain if has_preamble(path)]
    assert count_files(result) == {
        "NOT_DICOM": len(plain) - len(images),
        "converted": len(images),
    }
    assert {record.verdict for record in result.volumes} == {"OK"}


@pytest.mark.real_data
def test_a_grid_that_is_not_square_is_the_volume_that_another_tool_made(
    real_dicom: Path, tmp_path: Path
) -> None:
    expected = real_dicom.parent / "dicom_references" / "dti_tra_dir16_PA_6_134431.nii"
    if not expected.is_file():
        pytest.skip("no reference volume beside the real DICOM")
    (record,) = convert_folder(real_dicom / "uih_diffusion_grid", tmp_path / "out").volumes
    ours: Any = nibabel.load(tmp_path / "out" / str(record.file_name))
    theirs: Any = nibabel.load(expected)
    assert np.array_equal(np.asanyarray(ours.dataobj), np.asanyarray(theirs.dataobj))
    assert np.allclose(ours.affine, theirs.affine, atol=1e-6)
    for suffix in (".bval", ".bvec"):
        stated = np.loadtxt(expected.with_suffix(suffix))
        written = np.loadtxt(tmp_path / "out" / f"{record.sub_stack_digest}{suffix}")
        assert np.allclose(written, stated, atol=1e-4)


@pytest.mark.real_data
def test_a_canon_object_gets_the_directions_of_its_frames(real_dicom: Path, tmp_path: Path) -> None:
    (record,) = convert_folder(real_dicom / "canon_enhanced", tmp_path / "out").volumes
    assert (record.verdict, record.n_volumes) == ("OK", len(record.b_values))
    directions = np.loadtxt(tmp_path / "out" / f"{record.sub_stack_digest}.bvec")
    lengths = np.linalg.norm(directions, axis=0)
    assert np.allclose(lengths, [float(b > 0) for b in record.b_values], atol=1e-3)
