"""Geometry of the charts of an evaluation: numbers in, coordinates out; templates draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Where the scale of a forest plot begins and how long it is; height of a row, in pixels.
SCALE_X, SCALE_WIDTH, ROW = 250.0, 420.0, 24.0
#: Side of a curve's box, and its margin.
SIDE, MARGIN = 260.0, 40.0


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot; the ends and the middle as x in pixels, None without a number."""

    label_en: str
    label_zh: str
    text: str
    y: float
    low: float | None
    middle: float | None
    high: float | None


@dataclass(frozen=True)
class Forest:
    """A forest plot over a scale from 0, with the number of everybody as a line."""

    rows: tuple[ForestRow, ...]
    height: float
    whole_x: float | None
    ticks: tuple[tuple[float, str], ...]


def draw_forest(
    lines: Sequence[tuple[str, str, str, float | None, float | None, float | None]],
    whole: float | None,
    end: float = 1.0,
) -> Forest:
    """Return the plot of lines (English, Chinese, text, estimate, low, high).

    Parameters
    ----------
    lines : sequence of tuple
        From top to bottom.
    whole : float, optional
        Where the line of everybody stands.
    end : float
        Right end of the scale, which begins at 0.
    """
    rows = tuple(
        ForestRow(en, zh, text, ROW * (n + 1), _x(low, end), _x(value, end), _x(high, end))
        for n, (en, zh, text, value, low, high) in enumerate(lines)
    )
    ticks = tuple(
        (round(SCALE_X + SCALE_WIDTH * at / 5, 1), f"{end * at / 5:.3g}") for at in range(6)
    )
    return Forest(rows, ROW * (len(rows) + 2), _x(whole, end), ticks)


def _x(value: float | None, end: float) -> float | None:
    if value is None:
        return None
    return round(SCALE_X + SCALE_WIDTH * min(1.0, max(0.0, value / end)), 1)


@dataclass(frozen=True)
class Curve:
    """A curve in a square box: its line, and the band of its interval ("" without)."""

    name: str
    line: str
    band: str


@dataclass(frozen=True)
class CurveBox:
    """Curves on common axes; `right` is what the right end of the x axis stands for."""

    curves: tuple[Curve, ...]
    right: float


Point = tuple[float, float, float | None, float | None]


def draw_curves(named: Sequence[tuple[str, Sequence[Point]]], right: float | None) -> CurveBox:
    """Return curves of (x, y, low, high).

    Parameters
    ----------
    named : sequence of (str, points)
        Each curve from left to right.
    right : float, optional
        End of the x axis; without it that of the longest curve.
    """
    widest = max((p[0] for _, points in named for p in points), default=1.0)
    end = right or max(widest, 1e-9)
    return CurveBox(tuple(_curve(name, points, end) for name, points in named), end)


def _curve(name: str, points: Sequence[Point], end: float) -> Curve:
    line = " ".join(_place(x, y, end) for x, y, _, _ in points)
    low = [_place(x, lo, end) for x, _, lo, _ in points if lo is not None]
    high = [_place(x, hi, end) for x, _, _, hi in points if hi is not None]
    return Curve(name, line, " ".join([*low, *reversed(high)]) if len(low) > 1 else "")


def _place(x: float, y: float, end: float) -> str:
    return f"{MARGIN + SIDE * x / end:.1f},{MARGIN + SIDE * (1 - y):.1f}"
