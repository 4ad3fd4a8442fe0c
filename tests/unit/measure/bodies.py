"""Small volumes with a body in them, made for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.measure.volume import Volume, patient_axes

SPACING = (3.0, 3.0, 5.0)
AFFINE = np.diag([*SPACING, 1.0])


def body_ct(
    shape: tuple[int, int, int] = (100, 80, 20), *, noise_hu: float = 0.0, seed: int = 0
) -> NDArray[np.int16]:
    """Return an elliptic body of 40 HU in air, with noise; smooth fat makes slices differ."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    wide = 0.36 + 0.05 * np.sin(z / 4.0)
    inside = ((x - shape[0] / 2) / (wide * shape[0])) ** 2 + (
        (y - shape[1] / 2) / (0.34 * shape[1])
    ) ** 2 <= 1
    values = np.where(inside, 40.0, -1000.0)
    values += np.random.default_rng(seed).normal(0.0, noise_hu, shape) if noise_hu else 0.0
    return values.astype(np.int16)


def volume(stored: NDArray[np.generic], *, encoding: str | None = None) -> Volume:
    return patient_axes(stored, AFFINE, encoding=encoding)


def exam(
    levels: dict[str, tuple[float, float]],
    *,
    moved: dict[str, int] | None = None,
    veins: dict[str, tuple[float, float]] | None = None,
) -> dict[str, NDArray[np.int16]]:
    """Return passes of 60 x 50 x 24 voxels of 5 x 5 x 5 mm: (aorta, liver) in HU by phase.

    `moved` shifts the liver of a pass by so many slices; `veins` adds caval and portal vein.
    """
    x, y, z = np.meshgrid(np.arange(60), np.arange(50), np.arange(24), indexing="ij")
    rng = np.random.default_rng(1)
    made = {}
    for phase, (aorta, liver) in levels.items():
        lower = (moved or {}).get(phase, 0)
        values = np.full(x.shape, -1000.0)
        body = ((x - 30) / 27) ** 2 + ((y - 25) / 20) ** 2 <= 1
        values[body] = -90.0
        organ = ((x - 43) / 11) ** 2 + ((y - 26) / 13) ** 2 + ((z - 12 - lower) / 10) ** 2 <= 1
        values[organ & body] = liver
        values[body & (z >= 20 + lower) & (x > 33) & ~organ] = -850.0
        values[((x - 30) / 4) ** 2 + ((y - 12) / 4) ** 2 <= 1] = 300.0
        values[(x - 28) ** 2 + (y - 18.5) ** 2 <= 5] = aorta
        if veins:
            values[(x - 34) ** 2 + (y - 19) ** 2 <= 5] = veins[phase][0]
            portal = (x - 35) ** 2 + (y - 28) ** 2 <= 5
            values[portal & (np.abs(z - 12 - lower) <= 7)] = veins[phase][1]
        values += rng.normal(0.0, 8.0, values.shape)
        made[phase] = values.astype(np.int16)
    return made
