"""What was asked of each case of `benchmarks/stages.py`, by whom, and whether it was reached. Pure.

*issue 21* is the owner's issue on speed; *design* the table of goals that it stands on, made from
what peers and prototypes took.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.stage_results import BASE, Results

Measure = Literal[
    "x base",
    "CPU s",
    "MiB",
    "ms a file",
    "x by 2 workers",
    "x less than dicom-anonymizer",
    "% of the first",
    "bytes a byte",
]
#: Of these more is better.
_AT_LEAST = ("x by 2 workers", "x less than dicom-anonymizer")
_ISSUE, _DESIGN = "issue 21", "design"


@dataclass(frozen=True)
class Goal:
    """One bound of one case."""

    case: str
    measure: Measure
    bound: float
    source: str

    def judged(self, results: Results, who: str) -> str:
        """Return the goal, its source, what was measured of it and whether that reaches it."""
        value = value_of(self.measure, self.case, who, results)
        at_least = self.measure in _AT_LEAST
        asked = f"{'>=' if at_least else '<='} {self.bound:g} {self.measure} ({self.source})"
        if value is None:
            return f"{asked}: not measured"
        reached = value >= self.bound if at_least else value <= self.bound
        return f"{asked}: {'reached' if reached else '**missed**'}, {value:.3g}"


def _goals() -> tuple[Goal, ...]:
    large, small = "deidentify, large files", "deidentify, small files"
    night = "night, a realistic delivery"
    return (
        Goal(large, "x base", 1.2, _ISSUE),
        Goal(large, "x base", 1.0, _DESIGN),
        Goal(large, "x less than dicom-anonymizer", 8, _ISSUE),
        Goal(f"{large}, 2 workers", "x by 2 workers", 1.7, _ISSUE),
        Goal(small, "x base", 5, _ISSUE),
        Goal(f"{small}, 2 workers", "x by 2 workers", 1.7, _ISSUE),
        Goal("convert, large files", "x base", 2.5, _ISSUE),
        Goal("convert, large files", "x base", 4, _DESIGN),
        Goal("convert, small files", "x base", 6, _ISSUE),
        Goal("label, large files", "ms a file", 1.0, _ISSUE),
        Goal("label, small files", "ms a file", 1.0, _ISSUE),
        Goal(night, "x base", 5, _ISSUE),
        Goal(night, "MiB", 400, _ISSUE),
        Goal(night, "bytes a byte", 1.5, _ISSUE),
        Goal(f"{night}, 2 workers", "x by 2 workers", 1.7, _ISSUE),
        Goal("night, simulated small images", "MiB", 400, _ISSUE),
        Goal("night, simulated small images", "bytes a byte", 1.5, _ISSUE),
        Goal("night, 10 images", "CPU s", 5, _ISSUE),
        Goal("release, nothing new", "% of the first", 2, _ISSUE),
    )


GOALS = _goals()


def value_of(measure: Measure, case: str, who: str, results: Results) -> float | None:
    """Return what was measured of a case in the unit of a goal; None where something lacks."""
    found = results.measured.get((case, who))
    if found is None:
        return None
    if measure == "x by 2 workers":
        one = results.measured.get((case.removesuffix(", 2 workers"), who))
        return None if one is None else one.wall_s / found.wall_s
    if measure == "bytes a byte":
        return results.disk.get((case, who))
    if measure == "ms a file":
        return 1000 * found.cpu_s / results.files[results.sources[case]][0]
    if measure in ("CPU s", "MiB"):
        return found.cpu_s if measure == "CPU s" else found.peak_mib
    if measure == "x less than dicom-anonymizer":
        peer = results.measured.get((case, "dicom-anonymizer"))
        return None if peer is None else peer.cpu_s / found.cpu_s
    if measure == "% of the first":
        other, factor = results.measured.get(("release, first", who)), 100
    else:
        other, factor = results.measured.get((results.sources[case], BASE)), 1
    return None if other is None else factor * found.cpu_s / other.cpu_s


def judgement(case: str, who: str, results: Results) -> str:
    """Return all goals of a case as one cell of the table."""
    return "; ".join(goal.judged(results, who) for goal in GOALS if goal.case == case)
