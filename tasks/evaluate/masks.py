"""Lesions as sets of voxels: how far two overlap, whether a point lies inside. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
#: How far off the grid of the other a voxel may lie, in parts of a voxel.
_OFF_GRID = 0.05


class OtherGridError(ValueError):
    """Two masks whose voxels do not lie on one grid; `line` of the prediction in its file."""

    line: int = 0


@dataclass(frozen=True)
class Mask:
    """A lesion on a grid.

    `affine` leads from voxel indices to LPS, mm, shape (4, 4); `voxels` are indices, (n, 3).
    """

    affine: Matrix
    voxels: NDArray[np.int64]

    @property
    def centroid(self) -> tuple[float, float, float]:
        """The middle of its voxels, LPS, mm."""
        x, y, z = _applied(self.affine, self.voxels.astype(np.float64)).mean(axis=0)
        return float(x), float(y), float(z)

    def distance_mm(self, place: tuple[float, float, float]) -> float:
        """Return how far a point (LPS, mm) lies from the box around the voxels; 0 inside it."""
        places = _applied(self.affine, self.voxels.astype(np.float64))
        nearest = np.clip(np.array(place), places.min(axis=0), places.max(axis=0))
        return float(np.linalg.norm(nearest - np.array(place)))

    def holds(self, place: tuple[float, float, float]) -> bool:
        """Return whether a point (LPS, mm) lies in one of the voxels."""
        index = _applied(_inverse(self.affine), np.array([place])).round().astype(np.int64)
        return bool((self.voxels == index).all(axis=1).any())


def overlap(one: Mask, other: Mask) -> float:
    """Return intersection over union; the axes of the two may be stored in any order.

    Raises
    ------
    OtherGridError
        If the voxels of the first do not lie on the grid of the second.
    """
    if not len(one.voxels) or not len(other.voxels):
        return 0.0
    places = _applied(one.affine, one.voxels.astype(np.float64))
    indices = _applied(_inverse(other.affine), places)
    same_size = np.isclose(
        abs(np.linalg.det(one.affine)), abs(np.linalg.det(other.affine)), rtol=1e-3
    )
    if not same_size or float(np.abs(indices - indices.round()).max()) > _OFF_GRID:
        raise OtherGridError("the voxels do not lie on the grid of the reference mask")
    ours = {tuple(row) for row in indices.round().astype(np.int64).tolist()}
    theirs = {tuple(row) for row in other.voxels.tolist()}
    return len(ours & theirs) / len(ours | theirs)


def _inverse(affine: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(affine), dtype=np.float64)


def _applied(affine: Matrix, points: Matrix) -> Matrix:
    moved: Matrix = points @ affine[:3, :3].T + affine[:3, 3]
    return moved
