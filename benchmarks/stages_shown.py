"""The table and the plot of `benchmarks/stages.py`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.goals import GOALS, judgement
from benchmarks.stage_results import BASE, BEFORE, NOW, Measured, Results

_COLOURS = {NOW: "#1b6ca8", BEFORE: "#8fb8d8", BASE: "#777777"}
_PEER = "#b8651b"
_BAR, _ROW, _TITLE, _LEFT, _COLUMN, _BARS = 14, 18, 30, 132, 520, 280


def markdown(results: Results) -> str:
    """Return the table, with what a reader has to know of machine and corpus."""
    lines = ["# What each stage costs", "", "Made by `make bench`; do not edit.", ""]
    lines += [f"- {name}: {value}" for name, value in results.facts.items()]
    lines += [
        f"- {source}: {number} files, {size / 1e6:.1f} MB"
        for source, (number, size) in sorted(results.files.items())
    ]
    lines += [
        "",
        "Base is `cp -r` of the same files and `sha256sum` of the copy. Goals stand beside every",
        "checkout, with what it has of them.",
        "",
        "| stage | who | CPU s, median | smallest to largest | x base | wall s "
        "| largest process, MiB | goal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for number, (case, source) in enumerate(results.sources.items()):
        base = results.measured.get((source, BASE))
        told_before = source in [*results.sources.values()][:number]
        for who, one in results.of_case(case):
            if who == BASE and told_before:
                continue
            low, high = one.spread_s
            ratio = f"{one.cpu_s / base.cpu_s:.2f}" if base else ""
            told = judgement(case, who, results) if who in (NOW, BEFORE) else ""
            lines.append(
                f"| {case} | {who} | {one.cpu_s:.2f} | {low:.2f} to {high:.2f} | {ratio} "
                f"| {one.wall_s:.2f} | {one.peak_mib:.0f} | {told} |"
            )
    if results.problems:
        lines += ["", "Not measured, or not as asked:", ""]
        lines += [f"- {' '.join(problem.split())}" for problem in results.problems]
    return "\n".join([*lines, "", "![CPU seconds of each stage](stages.svg)", ""])


def plot(results: Results) -> str:
    """Return an SVG: the cases in two columns, each to its own scale, with spread and base goal."""
    blocks = [(case, results.of_case(case)) for case in results.sources]
    blocks = [block for block in blocks if block[1]]
    heights = [_TITLE + len(rows) * _ROW + 8 for _, rows in blocks]
    half, split = sum(heights) / 2, 0
    while split < len(blocks) and sum(heights[: split + 1]) <= half + heights[split] / 2:
        split += 1
    height = max(sum(heights[:split]), sum(heights[split:])) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * _COLUMN} {height}" '
        'font-family="sans-serif" font-size="12">',
        "<title>CPU seconds of each stage, of its peers and of copying</title>",
        f'<rect width="{2 * _COLUMN}" height="{height}" fill="#ffffff"/>',
        '<text x="10" y="20">CPU seconds of the whole tree of processes; each stage to its own '
        "scale; the black line is smallest to largest, the dashed one the goal of issue 21</text>",
    ]
    for first, column in ((0, blocks[:split]), (split, blocks[split:])):
        y = 32
        for number, (case, rows) in enumerate(column, start=first):
            parts += _block(case, rows, _COLUMN if first else 0, y, results)
            y += heights[number]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _block(
    case: str, rows: Sequence[tuple[str, Measured]], x: int, y: int, results: Results
) -> list[str]:
    goal = _goal_s(case, results)
    scale = _BARS / max(*(one.spread_s[1] for _, one in rows), goal or 0)
    bars, line, words = [], [], []
    words.append(f'<text x="{x + 10}" y="{y + 20}" font-weight="bold">{escape(case)}</text>')
    for number, (who, one) in enumerate(rows):
        top = y + _TITLE + number * _ROW
        low, high = (x + _LEFT + bound * scale for bound in one.spread_s)
        bars += [
            f'<rect x="{x + _LEFT}" y="{top}" width="{one.cpu_s * scale:.1f}" height="{_BAR}" '
            f'fill="{_COLOURS.get(who, _PEER)}"/>',
            f'<path d="M{low:.1f} {top + _BAR / 2} H{high:.1f}" stroke="#111111"/>',
        ]
        words += [
            f'<text x="{x + _LEFT - 8}" y="{top + 11}" text-anchor="end">{escape(who)}</text>',
            f'<text x="{high + 6:.1f}" y="{top + 11}" paint-order="stroke" stroke="#ffffff" '
            f'stroke-width="4">{one.cpu_s:.2f} s</text>',
        ]
    if goal is not None:
        at, bottom = x + _LEFT + goal * scale, y + _TITLE + len(rows) * _ROW - 2
        line.append(
            f'<path d="M{at:.1f} {y + _TITLE - 4} V{bottom}" stroke="#d01c1c" stroke-width="1.5" '
            'stroke-dasharray="4 3"/>'
        )
    return [*bars, *line, *words]


def _goal_s(case: str, results: Results) -> float | None:
    """Return the goal of a case in CPU seconds, where it has one that can be said so."""
    base = results.measured.get((results.sources[case], BASE))
    for goal in GOALS:
        if goal.case == case and goal.source == "issue 21":
            if goal.measure == "CPU s":
                return goal.bound
            if goal.measure == "ms a file":
                return goal.bound * results.files[results.sources[case]][0] / 1000
            if goal.measure == "x base" and base:
                return goal.bound * base.cpu_s
    return None
