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
        assert list(record.b_values) == b_values
        directions = np.loadtxt(tmp_path / "out" / f"{record.sub_stack_digest}.bvec")
        assert np.allclose(directions, np.loadtxt(plain / "x.bvec"), atol=1e-6)


@pytest.mark.real_data
def test_the_whole_folder_ends_with_every_file_accounted_for(
    real_dicom: Path, tmp_path: Path
) -> None:
    result = convert_folder(real_dicom, tmp_path / "out", workers=2)
    assert len(result.files) == sum(path.is_file() for path in real_dicom.rglob("*"))
    assert count_files(result) == {"NOT_DICOM": 1, "converted": 855}
    assert {record.verdict for record in result.volumes} == {"OK"}
