"""What the pictures of one series cost: a CT phase of 60 slices of 512 x 512, drawn and again.

Run: PYTHONPATH=. python benchmarks/report/pictures.py

The phantom is noisy, which is the worst case for WebP. CPU seconds are user and system time.
"""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import nibabel
import numpy as np

from tasks.report.picture_plan import PictureGroup, PicturePlan, PlannedVolume
from tasks.report.store_pictures import PictureStore, _read_stack
from tasks.report.store_volumes import draw_volume


def cpu_seconds() -> float:
    """Return CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def write_series(path: Path) -> None:
    """Write a body of 60 HU with noise of 14 HU in air."""
    noise = np.random.default_rng(1).normal(60, 14, (512, 512, 60))
    x, y = np.mgrid[0:512, 0:512]
    body = ((x - 256) / 220) ** 2 + ((y - 256) / 170) ** 2 < 1
    voxels = np.where(body[..., None], noise, -1000).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([0.8, 0.8, 5.0, 1.0])), path)


def main() -> None:
    """Draw the series twice and print what it cost."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_series(folder / "v.nii.gz")
        store = PictureStore(folder / "store", workers=1)
        one = PlannedVolume(
            "digest", "0" * 64, "v.nii.gz", "CT PVP  5 mm", for_rating=True, in_hu=True
        )
        plan = PicturePlan((PictureGroup(is_ct=True, volumes=(one,)),))
        for what in ("drawn", "again"):
            before = cpu_seconds()
            made = store.make(plan, folder)["digest"]
            print(f"{what}: {cpu_seconds() - before:.3f} CPU s")
        sheets = sum(store.path_of(name).stat().st_size for name in made.sheets)
        mosaic = store.path_of(made.mosaic).stat().st_size
        volume = store.path_of(made.volume).stat().st_size
        print(f"mosaic {mosaic / 1e3:.0f} kB, {len(made.sheets)} sheets {sheets / 1e6:.1f} MB")
        stack = _read_stack(folder / one.rel_path)
        before = cpu_seconds()
        draw_volume(stack, is_ct=True)
        print(f"reduced volume {volume / 1e3:.0f} kB, {cpu_seconds() - before:.3f} CPU s of these")


if __name__ == "__main__":
    main()
