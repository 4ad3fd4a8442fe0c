"""A report with pictures: a small phantom, drawn by the real code, shown for every volume."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt

from tasks.report.model import ReportInput, read_cohort
from tasks.report.picture_plan import PictureGroup, PicturePlan, PlannedVolume, plan_pictures
from tasks.report.store_pictures import PictureStore
from tasks.report.tables import VolumePictures

N_SLICES = 20
AFFINE = np.diag([4.0, 4.0, 5.0, 1.0])
#: Arterial phases lie elsewhere: thinner slices that begin higher up, 20 mm to the right.
ARTERIAL = np.array([[4.0, 0, 0, 20], [0, 4, 0, 0], [0, 0, 4, 10], [0, 0, 0, 1]])


def write_phantom(
    path: Path,
    *,
    bright: float = 200.0,
    n_slices: int = N_SLICES,
    affine: npt.NDArray[np.float64] = AFFINE,
) -> Path:
    """Write a body with a bright organ on the patient's right, axial, RAS."""
    x, y, _ = np.mgrid[0:64, 0:48, 0:n_slices]
    body = ((x - 32) / 28) ** 2 + ((y - 24) / 20) ** 2 < 1
    organ = ((x - 44) / 9) ** 2 + ((y - 26) / 9) ** 2 < 1
    voxels = (body * 100.0 + organ * bright).astype(np.int16)
    image = nibabel.Nifti1Image(voxels, affine)  # type: ignore[no-untyped-call]  # nibabel's own
    nibabel.save(image, path)
    return path


def with_pictures(report: ReportInput, folder: Path) -> tuple[ReportInput, PictureStore]:
    """Return the report with a phantom's pictures for every volume that gets some."""
    folder.mkdir(parents=True, exist_ok=True)
    phantom = write_phantom(folder / "phantom.nii.gz")
    arterial = write_phantom(folder / "arterial.nii.gz", affine=ARTERIAL)
    store = PictureStore(folder / ".pictures")
    both = tuple(
        PlannedVolume(path.stem, digit * 64, path.name, "T1 ART  3 mm", for_rating=True)
        for path, digit in ((phantom, "0"), (arterial, "1"))
    )
    drawn = store.make(PicturePlan((PictureGroup(is_ct=False, volumes=both),)), folder)
    plan = plan_pictures(read_cohort(report.tables))
    pictures = {
        volume.digest: _shown(drawn, volume) for group in plan.groups for volume in group.volumes
    }
    return dataclasses.replace(report, pictures=pictures), store


def _shown(drawn: dict[str, VolumePictures], volume: PlannedVolume) -> VolumePictures:
    made = drawn["arterial.nii" if " ART" in volume.title else "phantom.nii"]
    return made if volume.for_rating else dataclasses.replace(made, sheets=())
