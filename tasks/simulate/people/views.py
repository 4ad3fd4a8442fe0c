"""How the planes of a series lie, in words."""

from __future__ import annotations

from enum import StrEnum


class View(StrEnum):
    """How the planes of a series lie."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    THREE_PLANES = "one axial, one coronal, one sagittal plane"
    SCOUT = "one coronal and one sagittal projection"
    FAN = "slabs turned about the long axis"
