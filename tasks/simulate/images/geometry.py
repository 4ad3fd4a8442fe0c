"""Where the planes of a series lie: DICOM LPS, mm; the centre of the body is the origin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.simulate.people.hospitals import Tiles
from tasks.simulate.people.views import View

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Plane:
    """One image plane: unit vectors along a row and a column, centre of the first pixel."""

    row: Vector
    column: Vector
    position: Vector

    @property
    def orientation(self) -> tuple[float, ...]:
        """ImageOrientationPatient (0020,0037)."""
        return (*self.row, *self.column)

    @property
    def normal(self) -> Vector:
        """Unit normal, row direction x column direction."""
        x, y, z = np.cross(self.row, self.column).tolist()
        return (x, y, z)


class Stack(Protocol):
    """What a series says of where its planes lie; lengths in mm."""

    @property
    def view(self) -> View:
        """How they lie."""

    @property
    def n_slices(self) -> int:
        """Planes side by side."""

    @property
    def rows(self) -> int:
        """Pixels down a plane."""

    @property
    def columns(self) -> int:
        """Pixels along a row."""

    @property
    def pixel_mm(self) -> float:
        """Between pixels, both ways."""

    @property
    def spacing_mm(self) -> float:
        """Between planes."""


_AXES: dict[View, tuple[Vector, Vector]] = {
    View.AXIAL: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    View.CORONAL: ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    View.SAGITTAL: ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
}
_ONE_EACH = {
    View.THREE_PLANES: (View.AXIAL, View.CORONAL, View.SAGITTAL),
    View.SCOUT: (View.CORONAL, View.SAGITTAL),
}
_FAN_STEP_DEG = 20.0


def plane_of(plan: Stack, slice_index: int) -> Plane:
    """Return the plane of one slice of a series.

    Notes
    -----
    DICOM PS3.3 C.7.6.2.1.1, Image Position and Image Orientation.
    """
    offset_mm = (slice_index - (plan.n_slices - 1) / 2) * plan.spacing_mm
    if plan.view in _ONE_EACH:
        axes, offset_mm = _AXES[_ONE_EACH[plan.view][slice_index]], 0.0
    elif plan.view is View.FAN:
        angle = math.radians(_FAN_STEP_DEG * (slice_index - (plan.n_slices - 1) / 2))
        axes, offset_mm = ((math.cos(angle), math.sin(angle), 0.0), (0.0, 0.0, -1.0)), 0.0
    else:
        axes = _AXES[plan.view]
    return _centred(plan, *axes, offset_mm)


def _centred(plan: Stack, row: Vector, column: Vector, offset_mm: float) -> Plane:
    normal = np.cross(row, column)
    corner = (
        normal * offset_mm
        - np.asarray(row) * plan.columns * plan.pixel_mm / 2
        - np.asarray(column) * plan.rows * plan.pixel_mm / 2
    )
    x, y, z = (float(value) + 0.0 for value in corner)
    return Plane(row, column, (x, y, z))


def tiles_down_and_across(n_slices: int, tiles: Tiles) -> tuple[int, int]:
    """Return how many tiles lie below and beside each other; a mosaic is always a square."""
    across = math.ceil(math.sqrt(n_slices))
    return (across if tiles is Tiles.MOSAIC else math.ceil(n_slices / across)), across


def sheet_position(plan: Stack) -> Vector:
    """Return what a mosaic states as its position, DICOM LPS, mm.

    It is that of the first pixel of a sheet as large as all tiles together, centred where the
    first slice is.
    """
    first = plane_of(plan, 0)
    down, across = tiles_down_and_across(plan.n_slices, Tiles.MOSAIC)
    corner = (
        np.asarray(first.position)
        - np.asarray(first.row) * plan.columns * (across - 1) * plan.pixel_mm / 2
        - np.asarray(first.column) * plan.rows * (down - 1) * plan.pixel_mm / 2
    )
    x, y, z = (float(value) + 0.0 for value in corner)
    return (x, y, z)


def pixel_positions_mm(plan: Stack, slice_index: int) -> NDArray[np.float64]:
    """Return where every pixel of a slice lies, shape (rows, columns, 3), DICOM LPS, mm."""
    plane = plane_of(plan, slice_index)
    down = np.arange(plan.rows)[:, np.newaxis, np.newaxis] * plan.pixel_mm
    along = np.arange(plan.columns)[np.newaxis, :, np.newaxis] * plan.pixel_mm
    positions: NDArray[np.float64] = (
        np.asarray(plane.position) + along * np.asarray(plane.row) + down * np.asarray(plane.column)
    )
    return positions
