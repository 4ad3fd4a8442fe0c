"""Whatever the orientation, spacing and file order: proven, and where DICOM says it is."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random
from typing import Any

import nibabel
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dicom.features import read_features
from tasks.convert.store_series import convert_series
from tests.builders import make_series, write_files


def rotation(angles: tuple[float, float, float]) -> np.ndarray[Any, Any]:
    a, b, c = angles
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(z @ y @ x)


ANGLE = st.floats(-3.1, 3.1)
SPACING = st.floats(0.4, 8.0)


@settings(max_examples=40, deadline=None)
@given(
    angles=st.tuples(ANGLE, ANGLE, ANGLE),
    spacing=st.tuples(SPACING, SPACING, SPACING),
    modality=st.sampled_from(["CT", "MR"]),
    seed=st.integers(),
)
def test_every_oblique_stack_is_proven_and_lies_where_its_headers_say(
    angles: tuple[float, float, float],
    spacing: tuple[float, float, float],
    modality: str,
    seed: int,
) -> None:
    row, column, normal = rotation(angles).T
    slices = make_series(n_slices=5, modality=modality)
    for k, data in enumerate(slices):
        data.ImageOrientationPatient = [f"{v:.9f}" for v in (*row, *column)]
        data.ImagePositionPatient = [f"{v:.6f}" for v in 10.0 + normal * spacing[2] * k]
        data.PixelSpacing = [f"{v:.6f}" for v in spacing[:2]]
        data.SliceThickness = f"{spacing[2]:.6f}"
    Random(seed).shuffle(slices)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = write_files(root / "in", slices)
        (record,) = convert_series(
            {str(d.SOPInstanceUID): f for d, f in zip(slices, files, strict=True)},
            [read_features(data) for data in slices],
            root / "out",
            root,
        )
        assert (record.verdict, record.codes) == ("OK", ())
        image: Any = nibabel.load(root / "out" / str(record.file_name))
        to_voxel = np.linalg.inv(image.affine)
        voxels = np.asanyarray(image.dataobj.get_unscaled())
    for data in slices:
        stored = np.frombuffer(data.PixelData, "<u2").reshape(data.Rows, data.Columns)
        start = np.array([float(v) for v in data.ImagePositionPatient])
        lps = start + row * spacing[1] * 7 + column * spacing[0] * 3
        i, j, k = np.rint(to_voxel @ (-lps[0], -lps[1], lps[2], 1.0))[:3].astype(int)
        assert voxels[i, j, k] == stored[3, 7]
