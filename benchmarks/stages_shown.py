"""The table and the plot of `benchmarks/stages.py`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Which base a stage is a multiple of, where it has none of its own.
_BASE_OF = {"label": "convert", "release": "night", "release, nothing new": "night"}
_BAR, _GAP, _LEFT, _WIDTH = 16, 6, 260, 880


@dataclass(frozen=True)
class Measured:
    """Median CPU seconds of one case, their spread, and the largest process in MiB."""

    stage: str
    who: str
    cpu_s: float
    spread_s: tuple[float, float]
    peak_mib: float


def markdown(
    measured: Sequence[Measured],
    facts: Mapping[str, str],
    files: Mapping[str, tuple[int, int]],
    disk: float,
) -> str:
    """Return the table, with what a reader has to know of machine and corpus."""
    lines = ["# What each stage costs", "", "Made by `make bench`; do not edit.", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += [
        f"- {stage}: {number} files, {size / 1e6:.0f} MB" for stage, (number, size) in files.items()
    ]
    lines += [
        f"- warehouse: {disk:.2f} bytes for each byte that the site delivered (linked files once)",
        "",
        "| stage | who | CPU s, median | smallest to largest | x `cp -r` + `sha256sum` "
        "| largest process, MiB |",
        "|---|---|---|---|---|---|",
    ]
    bases = {one.stage: one.cpu_s for one in measured if one.who == "base"}
    for one in measured:
        base = bases[_BASE_OF.get(one.stage, one.stage)]
        low, high = one.spread_s
        lines.append(
            f"| {one.stage} | {one.who} | {one.cpu_s:.2f} | {low:.2f} to {high:.2f} "
            f"| {one.cpu_s / base:.2f} | {one.peak_mib:.0f} |"
        )
    return "\n".join([*lines, "", "![CPU seconds of each stage](stages.svg)", ""])


def plot(measured: Sequence[Measured]) -> str:
    """Return an SVG: one bar for each case, in CPU seconds, with its spread as a line."""
    most = max(one.spread_s[1] for one in measured)
    scale = (_WIDTH - _LEFT - 90) / most
    height = len(measured) * (_BAR + _GAP) + 2 * _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        "<title>CPU seconds of each stage, of its peers and of copying</title>",
    ]
    for number, one in enumerate(measured):
        y = _GAP + number * (_BAR + _GAP)
        low, high = (_LEFT + bound * scale for bound in one.spread_s)
        colour = {"now": "#1b6ca8", "before": "#8fb8d8", "base": "#777777"}.get(one.who, "#b8651b")
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{one.stage}, {one.who}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{one.cpu_s * scale:.1f}" height="{_BAR}" '
            f'fill="{colour}"/>',
            f'<path d="M{low:.1f} {y + _BAR / 2} H{high:.1f}" stroke="#222222"/>',
            f'<text x="{high + 6:.1f}" y="{y + 12}">{one.cpu_s:.1f} s</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
