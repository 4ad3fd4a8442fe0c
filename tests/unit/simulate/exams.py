"""Full exams of one person at one site, and what the plain converter makes of a series."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from tasks.simulate.exports import Export, ExportFile, plan_images
from tasks.simulate.people.hospitals import HOSPITALS
from tasks.simulate.people.subjects import make_subjects
from tests.unit.simulate.conftest import SEED

# What dcm2niix says when slices do not make a volume.
GEOMETRY_WARNINGS = (
    "Interslice distance varies",
    "order is not spatial",
    "Missing images?",
    "spatial position repeats",
    "gantry tilt",
)


@cache
def full_export(place: int) -> Export:
    """Return the export of `plan_full`, planned once; tests only read it.

    What a file holds (some 10 MB in all) is made when the first test asks for it, and kept.
    """
    export = plan_full(place)
    export.files = [replace(file, content=cache(file.content)) for file in export.files]
    return export


def plan_full(place: int) -> Export:
    """Return the first night of the hospital at this place: one person with all exams."""
    hospital = HOSPITALS[place]
    return plan_images(
        hospital, make_subjects(hospital, site_index=0, per_site=1, seed=SEED), 1, SEED, full=True
    )


def by_series(export: Export) -> dict[str, list[ExportFile]]:
    """Return the image files of an export by SeriesInstanceUID."""
    grouped: dict[str, list[ExportFile]] = defaultdict(list)
    for file in export.files:
        if file.template is not None:
            grouped[file.template.context.series_uid].append(file)
    return dict(grouped)


@dataclass(frozen=True)
class Converted:
    """What bare dcm2niix left: exit code, what it said, volumes and b-values."""

    code: int
    said: str
    volumes: dict[str, nib.Nifti1Image]
    b_values: list[float]

    @property
    def warnings_of_geometry(self) -> list[str]:
        return [text for text in GEOMETRY_WARNINGS if text in self.said]

    @property
    def n_voxels(self) -> int:
        # Planes cannot be counted: a coronal 3D volume is turned to axial.
        return sum(int(np.prod(image.shape)) for image in self.volumes.values())


def convert(contents: Iterable[bytes], folder: Path) -> Converted:
    """Run dcm2niix as a hospital engineer would, on one series in a fresh folder."""
    source, out = folder / "in", folder / "out"
    source.mkdir()
    out.mkdir()
    for number, data in enumerate(contents):
        (source / f"{number}.dcm").write_bytes(data)
    flags = ("-g", "i", "-z", "n", "-i", "n", "-p", "n", "-x", "n", "-b", "y", "-f", "x")
    command = [dcm2niix.bin, *flags, "-o", str(out), str(source)]
    ended = subprocess.run(command, check=False, capture_output=True, timeout=120)
    volumes = {
        path.name: nib.Nifti1Image.from_filename(path)
        for path in sorted(out.glob("*.nii"))
        if "_ROI" not in path.name  # overlays become files of their own
    }
    b_values = [float(b) for path in out.glob("*.bval") for b in path.read_text().split()]
    said = (ended.stdout + ended.stderr).decode("utf-8", "replace")
    return Converted(ended.returncode, said, volumes, b_values)


def voxel_of(image: nib.Nifti1Image, position_lps: list[float]) -> NDArray[np.float64]:
    """Return the voxel index at which an image has a position in DICOM LPS, mm."""
    x, y, z = position_lps
    index = np.linalg.inv(np.asarray(image.affine)) @ np.asarray((-x, -y, z, 1.0))
    return np.asarray(index[:3], dtype=np.float64)
