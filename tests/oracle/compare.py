"""Published volumes against delivered planes: voxel, affine, b-value, direction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from tests.oracle.frames import Plane, delivered_planes

Array = NDArray[np.float64]

_VOXEL, _RELATIVE, _DEGREES = 0.05, 1e-5, 1.0
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_LOW_B = 10.0


@dataclass(frozen=True)
class Finding:
    """What differs in one published volume."""

    volume: str
    what: str


def differences(planes: Sequence[Plane], nifti: Path) -> list[Finding]:
    """Return all differences of one NIfTI from the delivered planes; none when it is right."""
    image: Any = nibabel.load(nifti)
    data = np.asarray(image.dataobj, dtype=np.float64)
    data = data if data.ndim == 4 else data[..., None]
    affine = np.asarray(image.affine)
    found: Counter[str] = Counter()
    places = [(plane, place) for plane in planes if (place := _place(plane, affine, data.shape))]
    volumes: list[list[Plane]] = [[] for _ in range(data.shape[3])]
    used: set[str] = set()
    b_values = _table(nifti, ".bval")
    for axis in {place.axis for _, place in places}:
        for k in range(data.shape[axis]):
            here = [(p, at) for p, at in places if at.axis == axis and at.index == k]
            for t, volume in enumerate(volumes):
                fits = [p for p, at in here if p.uid not in used and at.holds(p, data[..., t])]
                if not fits:
                    found["a plane that was not delivered there"] += 1
                    continue
                best = min(fits, key=lambda p: _mismatch(p, volume, b_values, t))
                used.add(best.uid)
                volume.append(best)
        break
    if not places:
        found["no delivered plane lies on its voxels"] += 1
    for volume in volumes:
        if len({p.traits for p in volume}) > 1:
            found["a volume of planes that are not of one kind"] += 1
    found.update(_diffusion(volumes, nifti, affine, b_values))
    return [Finding(nifti.name, f"{what} ({n})") for what, n in sorted(found.items())]


def _mismatch(
    plane: Plane, volume: list[Plane], b_values: Array | None, t: int
) -> tuple[bool, bool]:
    other_kind = bool(volume) and volume[0].traits != plane.traits
    other_b = b_values is not None and abs(b_values[0, t] - plane.b_value) > 1
    return (other_b, other_kind)


@dataclass(frozen=True)
class _Place:
    """Where a plane lies in the array: slice `index` of `axis`, rows and columns turned so."""

    axis: int
    index: int
    voxels: NDArray[np.intp]

    def holds(self, plane: Plane, data: Array) -> bool:
        if plane.values is None:
            return False
        i, j, k = np.moveaxis(self.voxels, -1, 0)
        limit = _RELATIVE * max(1.0, float(np.abs(plane.values).max()))
        return bool(np.abs(data[i, j, k] - plane.values).max() <= limit)


def _place(plane: Plane, affine: Array, shape: tuple[int, ...]) -> _Place | None:
    """Return where every pixel of a plane lies if all lie on whole voxels of the array."""
    if plane.values is None:
        return None
    inverse = np.linalg.inv(affine)
    corner = inverse[:3, :3] @ (_LPS_TO_RAS @ plane.corner) + inverse[:3, 3]
    if np.abs(corner - np.rint(corner)).max() > _VOXEL:
        return None
    rows, columns = plane.values.shape
    c, r = np.meshgrid(np.arange(columns), np.arange(rows))
    lps = plane.corner + c[..., None] * plane.along_row + r[..., None] * plane.along_column
    exact = (lps @ _LPS_TO_RAS) @ inverse[:3, :3].T + inverse[:3, 3]
    voxels = np.rint(exact).astype(np.intp)
    inside = (voxels >= 0).all() and (voxels < np.asarray(shape[:3])).all()
    if not inside or np.abs(exact - voxels).max() > _VOXEL:
        return None
    normal = np.cross(plane.along_row, plane.along_column)
    steps = inverse[:3, :3] @ (_LPS_TO_RAS @ normal)
    axis = int(np.abs(steps / np.linalg.norm(steps)).argmax())
    if len(np.unique(voxels[..., axis])) != 1:
        return None
    return _Place(axis, int(voxels[0, 0, axis]), voxels)


def _table(nifti: Path, suffix: str) -> Array | None:
    path = nifti.with_name(nifti.name.removesuffix(".nii.gz") + suffix)
    return np.loadtxt(path, ndmin=2) if path.is_file() else None


def _diffusion(
    volumes: Sequence[Sequence[Plane]], nifti: Path, affine: Array, b_values: Array | None
) -> list[str]:
    found = []
    true_b = [volume[0].b_value if volume else 0.0 for volume in volumes]
    if b_values is not None and (
        b_values.shape != (1, len(volumes)) or not np.allclose(b_values[0], true_b, atol=0.5)
    ):
        found.append("b-values that were not delivered")
    if b_values is None and len(set(true_b)) > 1:
        found.append("no b-values though volumes differ in them")
    directions = _table(nifti, ".bvec")
    if directions is None:
        return found
    if directions.shape != (3, len(volumes)):
        return [*found, "directions of another number of volumes"]
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    for volume, b, written in zip(volumes, true_b, directions.T, strict=True):
        true = volume[0].direction if volume else ()
        if b > _LOW_B and not np.any(written):
            found.append("a direction of zero at a b-value above zero")
        elif len(true) and np.any(written):
            # FSL: along voxel axes, the first reversed where the determinant is positive.
            along = axes.T @ _LPS_TO_RAS @ np.asarray(true)
            along[0] *= -1 if np.linalg.det(axes) > 0 else 1
            cosine = abs(along @ written) / np.linalg.norm(along) / np.linalg.norm(written)
            if cosine < np.cos(np.radians(_DEGREES)):
                found.append("a direction that was not delivered")
        elif b > _LOW_B and np.any(written):
            found.append("a direction where none was delivered")
    return found


def all_differences(delivered: Path, published: Path) -> list[Finding]:
    """Return the differences of every published volume of a folder."""
    planes = delivered_planes(delivered)
    volumes = sorted(published.rglob("*.nii.gz"))
    return [finding for nifti in volumes for finding in differences(planes, nifti)]
