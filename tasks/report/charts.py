"""Geometry of the small inline charts: numbers in, rectangles out; templates draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_BINS = 12


@dataclass(frozen=True)
class Segment:
    """One part of a stacked bar; `x` and `width` in units of the bar's own width."""

    name: str
    n: int
    x: float
    width: float


@dataclass(frozen=True)
class Column:
    """One column of a histogram, in units of its box; `above` says it exceeds the limit."""

    x: float
    y: float
    width: float
    height: float
    above: bool


@dataclass(frozen=True)
class Histogram:
    """Columns and the place of the limit line."""

    columns: tuple[Column, ...]
    limit_x: float


def stack_bar(parts: Sequence[tuple[str, int]], width: float = 100.0) -> tuple[Segment, ...]:
    """Return the parts of a whole side by side; parts of zero have no segment."""
    total = sum(n for _, n in parts)
    segments: list[Segment] = []
    x = 0.0
    for name, n in parts:
        if n:
            share = width * n / total
            segments.append(Segment(name, n, round(x, 2), round(share, 2)))
            x += share
    return tuple(segments)


def scale(n: int, largest: int, width: float = 100.0) -> float:
    """Return the length of a bar; a count that is not zero is never invisible."""
    return max(1.0, round(width * n / largest, 2)) if n and largest else 0.0


def draw_histogram(
    values_mm: Sequence[float], limit_mm: float, width: float = 120.0, height: float = 28.0
) -> Histogram:
    """Return a histogram of thickness in bins of 1 mm, (0, 1] to above 11 mm.

    A value on a bin's edge lies in the bin below it, so that 5.0 mm is within a limit of 5.
    """
    counts = [0] * _BINS
    for value in values_mm:
        counts[min(_BINS - 1, max(0, int(-(-(value - 0.05) // 1)) - 1))] += 1
    tallest = max(counts, default=0)
    step = width / _BINS
    return Histogram(
        columns=tuple(
            Column(
                x=round(position * step + 0.5, 2),
                y=round(height - scale(n, tallest, height), 2),
                width=round(step - 1, 2),
                height=scale(n, tallest, height),
                above=position + 1 > limit_mm,
            )
            for position, n in enumerate(counts)
            if n
        ),
        limit_x=round(min(limit_mm, _BINS) * step, 2),
    )


def percent(part: int, whole: int) -> str:
    """Return a share as text; a dash when there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else "–"
