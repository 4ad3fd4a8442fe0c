"""What showing one series costs: its mosaic, its sheets for the rating, its reduced volume.

    PYTHONPATH=. python benchmarks/report/volumes.py [--slices 120]

A smooth body with the noise of a CT, 512 x 512. Each is made once for a volume and shared by all
reports; CPU is user + system time of this process.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Callable

import numpy as np

from tasks.report.pictures import CT_SHEET_HU, CT_WINDOW_HU, Stack, canonical_stack
from tasks.report.store_pictures import draw_mosaic, draw_sheets
from tasks.report.store_volumes import draw_volume


def body(n_slices: int) -> Stack:
    """Return a body with organs, lungs above, and noise of 12 HU."""
    x, y, z = np.ogrid[-1:1:512j, -1:1:512j, 0 : 1 : complex(0, n_slices)]
    inside = (x / 0.85) ** 2 + (y / 0.6) ** 2 < 1
    voxels = np.where(inside, 40.0, -1000.0) + np.zeros((1, 1, n_slices))
    voxels[((x - 0.35) ** 2 + y**2 < 0.12) & (z < 0.8)] += 70
    voxels[((np.abs(x) - 0.4) ** 2 + y**2 < 0.09) & (z > 0.85)] = -800
    voxels += np.random.default_rng(1).normal(0, 12, voxels.shape)
    affine = np.diag([0.75, 0.75, 2.5, 1.0])
    return canonical_stack(voxels[..., np.newaxis].astype(np.float32), affine)


def told(what: str, make: Callable[[], list[bytes]]) -> None:
    """Print CPU seconds and bytes."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    made = make()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what:24}{cpu:8.2f} s CPU{sum(map(len, made)) / 1000:10.0f} kB in {len(made)}")


def main() -> None:
    """Print the three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=120)
    stack = body(parser.parse_args().slices)
    told("mosaic", lambda: [draw_mosaic(stack, CT_WINDOW_HU, "CT PVP", is_ct=True)])
    told("sheets for the rating", lambda: draw_sheets(stack, CT_SHEET_HU))
    told("reduced volume", lambda: [draw_volume(stack, is_ct=True)])


if __name__ == "__main__":
    main()
