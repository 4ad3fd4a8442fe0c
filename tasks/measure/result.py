"""What a metric gives: a value, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from schemas.measurements import NoValue


@dataclass(frozen=True)
class Measured:
    """A value, or why there is none; never both."""

    value: float | None = None
    reason: NoValue | None = None


def finite(found: Measured) -> Measured:
    """Return what was found; a value that is no finite number is none, and the measuring failed."""
    is_number = found.value is None or math.isfinite(found.value)
    return found if is_number else none(NoValue.FAILED)


def none(reason: NoValue) -> Measured:
    """Return that nothing was measured, and why."""
    return Measured(None, reason)
