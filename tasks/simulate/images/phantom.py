"""An abdomen of ellipses: body, liver, lesion, vessels, spleen, spine; enough for a mosaic.

Images are arrays of shape (rows, columns) in DICOM order: columns run to the patient's left,
so the liver lies on the left of the picture. Stored values are unsigned 12-bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tasks.simulate.images.geometry import pixel_positions_mm
from tasks.simulate.people.protocols import Phase, Physics, SeriesPlan

AIR, FAT, MUSCLE, LIVER, LESION, AORTA, SPLEEN, SPINE, PORTAL, BILE = range(10)
CT_INTERCEPT = -1024

Labels = NDArray[np.uint8]
Pixels = NDArray[np.uint16]

# (centre x, centre y, radius x, radius y, centre z, radius z), x and y in units of
# `_HALF_WIDTH_MM`, z of `_HALF_LENGTH_MM`, DICOM LPS; later ones lie on top.
_HALF_WIDTH_MM = 176.0
_HALF_LENGTH_MM = 45.0
_ORGANS: tuple[tuple[int, tuple[float, float, float, float, float, float]], ...] = (
    (FAT, (0.0, 0.02, 0.86, 0.66, 0.0, 50.0)),
    (MUSCLE, (0.0, 0.02, 0.79, 0.58, 0.0, 50.0)),
    (LIVER, (-0.36, -0.06, 0.42, 0.44, -0.15, 1.6)),
    (LIVER, (-0.02, -0.22, 0.36, 0.22, -0.45, 1.1)),
    (SPLEEN, (0.54, 0.14, 0.17, 0.26, -0.1, 1.0)),
    (SPINE, (0.0, 0.36, 0.15, 0.15, 0.0, 50.0)),
    (AORTA, (0.06, 0.14, 0.06, 0.06, 0.0, 50.0)),
    (PORTAL, (-0.10, 0.04, 0.12, 0.04, 0.05, 0.5)),
    (BILE, (-0.16, -0.32, 0.10, 0.08, -0.9, 0.75)),
    (BILE, (-0.06, 0.00, 0.022, 0.022, -0.6, 1.1)),
)
# Hounsfield units per tissue; the lesion stands in a table of its own.
_CT_HU = {
    "pre": (-1000, -100, 45, 56, 0, 42, 46, 260, 42, 12),
    "art": (-1000, -100, 52, 68, 0, 310, 130, 270, 75, 12),
    "pvp": (-1000, -98, 60, 112, 0, 165, 122, 270, 172, 13),
    "del": (-1000, -98, 58, 94, 0, 115, 98, 265, 118, 14),
}
_MR_T1 = {
    "pre": (12, 90, 330, 520, 0, 210, 360, 260, 240, 300),
    "art": (12, 95, 390, 590, 0, 1750, 980, 300, 520, 300),
    "pvp": (12, 95, 470, 930, 0, 1180, 1010, 340, 1220, 305),
    "del": (12, 95, 480, 850, 0, 930, 860, 350, 950, 310),
    "trans": (12, 95, 470, 980, 0, 820, 760, 350, 830, 330),
    "hbp": (12, 95, 380, 1420, 0, 360, 480, 300, 380, 2300),
}
_MR_OTHER = {
    "MR_T2": (12, 880, 300, 380, 780, 140, 600, 480, 180, 1700),
    "MR_T2_FS": (12, 130, 260, 330, 900, 120, 640, 420, 160, 1750),
    "MR_MRCP": (8, 30, 40, 45, 160, 15, 70, 50, 20, 2600),
    "LOCALIZER": (12, 820, 380, 430, 520, 300, 480, 400, 330, 500),
    "MR_T1_IP": (12, 900, 420, 620, 480, 210, 460, 380, 250, 280),
    "MR_T1_OP": (12, 880, 410, 470, 470, 200, 455, 360, 245, 275),
    "MR_T1_FAT": (12, 1150, 60, 90, 40, 30, 40, 210, 30, 20),
}
_SCOUT_HU = (-1000, -100, 40, 60, 60, 60, 60, 300, 60, 20)
_BOLUS_FULL_S = 20.0
_DWI_B0 = (12, 60, 300, 420, 960, 180, 820, 260, 200, 1300)
_DWI_ADC = (0.0, 0.4, 1.6, 1.25, 0.95, 2.6, 0.9, 1.0, 2.4, 3.0)  # 1e-3 mm2/s
# Lesion against liver, per phase: pre, art, pvp, del, trans, hbp.
_LESION = {
    "HCC": (0.85, 1.75, 0.86, 0.74, 0.72, 0.42),
    "ICC": (0.80, 0.92, 0.78, 1.05, 0.80, 0.45),
    "metastasis": (0.80, 0.85, 0.62, 0.70, 0.66, 0.35),
    "haemangioma": (0.75, 1.30, 1.28, 1.26, 1.00, 0.40),
    "FNH": (0.95, 1.80, 1.08, 1.02, 1.05, 1.15),
    "adenoma": (1.00, 1.45, 1.02, 0.95, 0.90, 0.55),
    "inflammatory": (0.70, 0.75, 0.55, 0.55, 0.55, 0.40),
    "indeterminate": (0.82, 1.10, 0.84, 0.84, 0.80, 0.60),
    "cyst": (0.45, 0.40, 0.30, 0.30, 0.28, 0.22),
}
_PHASE_ORDER = ("pre", "art", "pvp", "del", "trans", "hbp")


def tissue_labels(plan: SeriesPlan, lesion_seed: int) -> Labels:
    """Return the tissue of every voxel, shape (n_slices, rows, columns); read-only."""
    geometry = replace(
        plan, name_key="", modality="", number=0, phases=(), physics=Physics(), b_values=(),
        name_variant=0, contrast=False,
    )  # fmt: skip
    return _labels_of(geometry, lesion_seed)


@lru_cache(maxsize=16)
def _labels_of(plan: SeriesPlan, lesion_seed: int) -> Labels:
    labels = np.zeros((plan.n_slices, plan.rows, plan.columns), dtype=np.uint8)
    organs = (*_ORGANS, (LESION, _lesion_ellipse(lesion_seed)))
    scale = np.asarray((_HALF_WIDTH_MM, _HALF_WIDTH_MM, _HALF_LENGTH_MM))
    for index in range(plan.n_slices):
        points = pixel_positions_mm(plan, index) / scale
        for tissue, ellipse in organs:
            inside = _inside(points, ellipse)
            if tissue == LESION:
                inside &= labels[index] == LIVER
            labels[index][inside] = tissue
    labels.setflags(write=False)
    return labels


def _lesion_ellipse(lesion_seed: int) -> tuple[float, float, float, float, float, float]:
    right, down, size = lesion_seed % 5, lesion_seed // 5 % 5, lesion_seed // 25 % 4
    radius = 0.12 + 0.02 * size
    return (-0.60 + 0.04 * right, -0.28 + 0.06 * down, radius, radius, 0.0, 0.6)


def _inside(
    points: NDArray[np.float64], ellipse: tuple[float, float, float, float, float, float]
) -> NDArray[np.bool_]:
    x0, y0, rx, ry, z0, rz = ellipse
    distance = (points - np.asarray((x0, y0, z0))) / np.asarray((rx, ry, rz))
    inside: NDArray[np.bool_] = np.einsum("rck,rck->rc", distance, distance) <= 1.0
    return inside


def tissue_values(
    label: str, phase: Phase, b_value: float | None, lesion_class: str
) -> NDArray[np.float64]:
    """Return the value of each tissue, in stored units, before noise.

    `label` is the canonical label of the frame; for DWI the signal decays with
    `b_value` (s/mm2) by each tissue's diffusion coefficient.
    """
    if label.startswith("CT"):
        return _dynamic(_CT_HU, phase.contrast_phase or "pre", lesion_class) - CT_INTERCEPT
    if label == "MR_DWI":
        decay = np.exp(-(b_value or 0.0) * np.asarray(_DWI_ADC) * 1e-3)
        return np.asarray(_DWI_B0, dtype=np.float64) * decay
    if label == "MR_ADC":
        return np.asarray(_DWI_ADC, dtype=np.float64) * 1000.0
    if label == "MR_SUB":
        after = _dynamic(_MR_T1, phase.contrast_phase or "art", lesion_class)
        return np.clip(after - _dynamic(_MR_T1, "pre", lesion_class), 0.0, None)
    if label == "MR_BOLUS":
        filled = float(np.clip(phase.after_injection_s / _BOLUS_FULL_S, 0.0, 1.0))
        before, full = (_dynamic(_MR_T1, p, lesion_class) for p in ("pre", "art"))
        return before + filled * (full - before)
    if label in _MR_OTHER:
        return np.asarray(_MR_OTHER[label], dtype=np.float64)
    return _dynamic(_MR_T1, phase.contrast_phase or "pre", lesion_class)


def scout_values() -> NDArray[np.float64]:
    """Return the value of each tissue in a projection of a CT scout, in stored units."""
    return np.asarray(_SCOUT_HU, dtype=np.float64) - CT_INTERCEPT


def _dynamic(
    table: Mapping[str, tuple[int, ...]], contrast_phase: str, lesion_class: str
) -> NDArray[np.float64]:
    values = np.asarray(table[contrast_phase], dtype=np.float64)
    factor = _LESION[lesion_class][_PHASE_ORDER.index(contrast_phase)]
    values[LESION] = values[LIVER] * factor
    return values


def render(
    labels: Labels,
    values: NDArray[np.float64],
    generator: np.random.Generator,
    *,
    is_ct: bool,
) -> Pixels:
    """Return the stored pixels of one slice: soft edges, coil shading on MR, noise."""
    image = values[labels]
    padded = np.pad(image, 1, mode="edge")
    image = (
        4 * padded[1:-1, 1:-1]
        + padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    ) / 8  # fmt: skip
    if not is_ct:
        image = image * np.linspace(1.12, 0.88, image.shape[0])[:, np.newaxis]
    noise = generator.normal(0.0, 14.0 if is_ct else 16.0, size=image.shape)
    stored = np.clip(np.rint(image + noise), 0, 4095)
    return stored.astype("<u2")
