"""The voxels of a volume as metrics ask for them: slices as acquired, and thinned-out blocks. Pure.

No metric needs a whole volume. Whoever reads one from a file is told beforehand what will be
asked, keeps that while the volume goes by, and holds nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Stored = NDArray[np.generic]


class Steps(NamedTuple):
    """Every so many voxels along one axis; an `end` behind the last voxel is the last."""

    begin: int
    end: int
    step: int

    def within(self, n: int) -> range:
        """Return which voxels these are of an axis of `n`."""
        return range(*self.as_slice().indices(n))

    def as_slice(self) -> slice:
        """Return the same for indexing."""
        return slice(self.begin, self.end, self.step)


#: Along x, y, z of the patient.
Block = tuple[Steps, Steps, Steps]


@dataclass
class Asked:
    """What will be asked: `(slice number, volume)` and `(block, volume)`."""

    planes: set[tuple[int, int]] = field(default_factory=set)
    blocks: set[tuple[Block, int]] = field(default_factory=set)


class Voxels(Protocol):
    """Stored numbers on patient axes, indices growing to the right, front and head (RAS+)."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Voxels along x, y, z, and volumes."""

    def expect(self, asked: Asked) -> None:
        """Be told what will be asked."""

    def plane(self, number: int, of: int) -> Stored:
        """Return one slice as acquired, on the two patient axes that are left."""

    def block(self, block: Block, of: int) -> Stored:
        """Return a part of one volume, thinned out; three axes."""


@dataclass(frozen=True)
class HeldVoxels:
    """Voxels in memory.

    Parameters
    ----------
    array : array, shape (x, y, z, volumes)
    through : int
        The axis across the slices as acquired.
    """

    array: Stored
    through: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Voxels along x, y, z, and volumes."""
        x, y, z, n = self.array.shape
        return x, y, z, n

    def expect(self, asked: Asked) -> None:
        """All is here already."""

    def plane(self, number: int, of: int) -> Stored:
        """Return one slice, a view: taking along an axis would copy the whole volume."""
        found: Stored = np.moveaxis(self.array[..., of], self.through, 0)[number]
        return found

    def block(self, block: Block, of: int) -> Stored:
        """Return a part of one volume, a view."""
        x, y, z = block
        return self.array[x.as_slice(), y.as_slice(), z.as_slice(), of]
