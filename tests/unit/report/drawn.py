"""A report with pictures: a small phantom, drawn by the real code, shown for every volume."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import nibabel
import numpy as np

from tasks.report.model import ReportInput, read_cohort
from tasks.report.picture_plan import PictureGroup, PicturePlan, PlannedVolume, plan_pictures
from tasks.report.store_pictures import PictureStore

N_SLICES = 20


def write_phantom(path: Path, *, bright: float = 200.0, n_slices: int = N_SLICES) -> Path:
    """Write a body with a bright organ on the patient's right, axial, RAS."""
    x, y, _ = np.mgrid[0:64, 0:48, 0:n_slices]
    body = ((x - 32) / 28) ** 2 + ((y - 24) / 20) ** 2 < 1
    organ = ((x - 44) / 9) ** 2 + ((y - 26) / 9) ** 2 < 1
    voxels = (body * 100.0 + organ * bright).astype(np.int16)
    affine = np.diag([4.0, 4.0, 5.0, 1.0])
    image = nibabel.Nifti1Image(voxels, affine)  # type: ignore[no-untyped-call]  # nibabel's own
    nibabel.save(image, path)
    return path


def with_pictures(report: ReportInput, folder: Path) -> tuple[ReportInput, PictureStore]:
    """Return the report with one phantom's pictures for every volume that gets some."""
    folder.mkdir(parents=True, exist_ok=True)
    phantom = write_phantom(folder / "phantom.nii.gz")
    store = PictureStore(folder / ".pictures")
    one = PlannedVolume("phantom", "0" * 64, phantom.name, "T1 ART  3 mm", for_rating=True)
    drawn = store.make(PicturePlan((PictureGroup(is_ct=False, volumes=(one,)),)), folder)["phantom"]
    plan = plan_pictures(read_cohort(report.tables))
    pictures = {
        volume.digest: drawn if volume.for_rating else dataclasses.replace(drawn, sheets=())
        for group in plan.groups
        for volume in group.volumes
    }
    return dataclasses.replace(report, pictures=pictures), store
