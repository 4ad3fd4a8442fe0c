"""Real scanners: every file accounted for, and conversion gives the same images."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import dcm2niix
import pyarrow.parquet as pq
import pytest

from tasks.deidentify.store_folder import deidentify_folder
from tests.unit.deidentify.helpers import RING, SITE

pytestmark = pytest.mark.real_data

SERIES = [
    "ge_mr/02_Ax_DWI_TENSOR_R3",
    "siemens_ge_mr_epi/In/20180918Si/mr_0003",
    "siemens_ge_mr_epi/In/20180918GE/mr_0004",
    "ct_liver_3_slices",
]


def convert(folder: Path, out: Path) -> dict[str, bytes]:
    out.mkdir(parents=True)
    flags = ["-z", "n", "-b", "n", "-f", "x", "-o", str(out), str(folder)]
    subprocess.run([dcm2niix.bin, *flags], check=True, capture_output=True)
    return {p.name: p.read_bytes() for p in sorted(out.iterdir())}


def without_description(files: dict[str, bytes]) -> dict[str, bytes]:
    # descrip, aux_file, db_name and intent_name hold times and text of the source header.
    return {
        name: data[:14] + data[32:148] + data[252:] if name.endswith(".nii") else data
        for name, data in files.items()
    }


def test_every_real_file_is_accounted_for(real_dicom: Path, tmp_path: Path) -> None:
    delivered = [p for p in real_dicom.rglob("*") if p.is_file()]
    summary = deidentify_folder(
        real_dicom, tmp_path / "out", SITE, RING, subject_from="patient_id", workers=2
    )
    rows = pq.read_table(tmp_path / "out" / "audit.parquet").to_pylist()
    assert summary.files == len(rows) == len(delivered)
    not_dicom = [p for p in delivered if p.suffix == ".md"]
    assert summary.states["accepted"] == len(delivered) - len(not_dicom)
    assert summary.reasons == {"NOT_DICOM": len(not_dicom)}


@pytest.mark.parametrize("series", SERIES)
def test_conversion_gives_the_same_voxels_affine_and_b_values(
    real_dicom: Path, tmp_path: Path, series: str
) -> None:
    deidentify_folder(real_dicom / series, tmp_path / "out", SITE, RING, subject_from="patient_id")
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (tmp_path / "out").rglob("*.dcm"):
        shutil.copy(path, flat)
    before = without_description(convert(real_dicom / series, tmp_path / "before"))
    after = without_description(convert(flat, tmp_path / "after"))
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []
