"""What a metric gives: a value, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.measurements import NoValue


@dataclass(frozen=True)
class Measured:
    """A value, or why there is none; never both."""

    value: float | None = None
    reason: NoValue | None = None


def none(reason: NoValue) -> Measured:
    """Return that nothing was measured, and why."""
    return Measured(None, reason)
