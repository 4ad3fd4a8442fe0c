"""Faults of slices and geometry by name, each with what converters are known to make of it."""

from __future__ import annotations

from collections.abc import Callable

from tasks.simulate.exports import Export

Apply = Callable[[Export, int], None]
# Name -> index of the site that has it, and what it does.
GEOMETRY_FAULTS: dict[str, tuple[int, Apply]] = {}
