"""The oracle knows nothing of the pipeline, sees each kind of mistake, and finds none."""

from __future__ import annotations

import ast
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from tasks.convert.store_folder import convert_folder
from tests.builders import make_series, write_files
from tests.oracle.compare import all_differences
from tests.unit.convert.test_gradients import OBLIQUE, with_gradients

OWN = ("frames.py", "compare.py")


@pytest.mark.parametrize("name", OWN)
def test_it_imports_nothing_of_the_pipeline(name: str) -> None:
    tree = ast.parse((Path(__file__).parent / name).read_text(encoding="utf-8"))
    modules = [
        module
        for node in ast.walk(tree)
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    assert {m.split(".")[0] for m in modules}.isdisjoint({"tasks", "schemas", "flows"})
    assert all(m.startswith("tests.oracle") for m in modules if m.startswith("tests"))


@pytest.fixture
def diffusion(tmp_path: Path) -> tuple[Path, Path]:
    """Return a delivered diffusion series and what is published of it."""
    write_files(tmp_path / "dicom", with_gradients(OBLIQUE))
    convert_folder(tmp_path / "dicom", tmp_path / "out")
    assert all_differences(tmp_path / "dicom", tmp_path / "out") == []
    return tmp_path / "dicom", tmp_path / "out"


def save(data: Any, affine: Any, path: Path) -> None:
    image = nibabel.Nifti1Image(data, affine)  # type: ignore[no-untyped-call]  # nibabel has no types
    nibabel.save(image, path)


def one_voxel(folder: Path) -> None:
    (path,) = folder.glob("*.nii.gz")
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[400] ^= 1
    path.write_bytes(gzip.compress(bytes(raw)))


def moved(folder: Path) -> None:
    (path,) = folder.glob("*.nii.gz")
    image: Any = nibabel.load(path)
    affine = image.affine.copy()
    affine[:3, 3] += 0.3
    save(np.asanyarray(image.dataobj), affine, path)


def volumes_swapped(folder: Path) -> None:
    (path,) = folder.glob("*.nii.gz")
    image: Any = nibabel.load(path)
    data = np.asanyarray(image.dataobj)[..., [1, 0, *range(2, image.shape[3])]]
    save(data, image.affine, path)


def slices_mixed(folder: Path) -> None:
    (path,) = folder.glob("*.nii.gz")
    image: Any = nibabel.load(path)
    data = np.asanyarray(image.dataobj).copy()
    data[:, :, 1, [1, 2]] = data[:, :, 1, [2, 1]]
    save(data, image.affine, path)


def axes_swapped(folder: Path) -> None:
    (path,) = folder.glob("*.bvec")
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[1], rows[0], rows[2]]) + "\n")


def directions_zero(folder: Path) -> None:
    (path,) = folder.glob("*.bvec")
    n = len(path.read_text().splitlines()[0].split())
    path.write_text("\n".join([" ".join("0" * n)] * 3) + "\n")


def brighter(folder: Path) -> None:
    (path,) = folder.glob("*.nii.gz")
    image: Any = nibabel.load(path)
    data = np.asanyarray(image.dataobj)
    save(data + np.int16(1024), image.affine, path)


@pytest.mark.parametrize(
    "spoil",
    [
        *(one_voxel, moved, volumes_swapped, slices_mixed, axes_swapped),
        *(directions_zero, brighter),
    ],
)
def test_it_sees(diffusion: tuple[Path, Path], spoil: Callable[[Path], None]) -> None:
    delivered, published = diffusion
    spoil(published)
    assert all_differences(delivered, published)


def test_it_sees_a_ct_without_its_intercept(tmp_path: Path) -> None:
    slices = make_series(n_slices=6)
    write_files(tmp_path / "dicom", slices)
    for data in slices:
        data.RescaleIntercept = 0
    write_files(tmp_path / "rewritten", slices)
    convert_folder(tmp_path / "rewritten", tmp_path / "out")
    assert all_differences(tmp_path / "dicom", tmp_path / "out")


@pytest.mark.real_data
def test_every_volume_of_the_real_folder_is_what_was_delivered(
    real_dicom: Path, tmp_path: Path
) -> None:
    for folder in sorted(p for p in real_dicom.iterdir() if p.is_dir()):
        result = convert_folder(folder, tmp_path / folder.name, workers=2)
        assert {volume.verdict for volume in result.volumes} == {"OK"}
        assert all_differences(folder, tmp_path / folder.name) == []
        shutil.rmtree(tmp_path / folder.name)
