"""Contrast phases of an exam as one ordered assignment over all its acquisitions.

Every way to give the acquisitions phases in the order native < arterial < portal venous <
delayed < hepatobiliary, with every start of injection the exam allows, has a cost: how
unusual it is, as minus the decimal logarithm of a frequency (1 is one exam in ten). Dynamic
programming forwards and backwards gives, for each acquisition and phase, the cheapest
assignment of the whole exam in which the acquisition has that phase. What one phase is
cheaper than the next best is its margin. No probability is invented: a margin says only how
much less usual the runner-up is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.harmonise.vocabulary import PhaseWindow

FloatArray = NDArray[np.float64]

#: Stands for impossible; above any sum of costs of a real exam.
IMPOSSIBLE = 1000.0
#: A series name is wrong in about one of a hundred exams (manual entry, copied protocols); a
#: name that three or more acquisitions bear is one mistake, not several.
WRONG_NAME_COST = 2.0
#: A stated delay is met within a few breaths, or a quarter of it: consoles write round numbers.
_STATED_TOLERANCE_S, _STATED_TOLERANCE = 25.0, 0.25
_EDGE_COST = 1.0
_LIMIT_COST = 4.0
_STEP_S = 2.0
_FAR_STEP_S = 10.0
_BEFORE_FIRST_S = 160.0
_MOST_STARTS = 4000


@dataclass(frozen=True)
class Acquisition:
    """One pass over the liver: when it began, and the phases that its names allow.

    Empty `named` means that no name says anything. `stated_s` is how long after injection the
    name says it began.
    """

    time_s: float
    named: frozenset[str] = frozenset()
    stated_s: float | None = None


@dataclass(frozen=True)
class Solution:
    """Costs of the cheapest exam, by acquisition and phase, and the start it puts injection at.

    `costs[i, p]` belongs to acquisition i and `phases[p]`; `start_s` is that of the cheapest
    exam.
    """

    phases: tuple[str, ...]
    costs: FloatArray
    start_s: float

    @property
    def total(self) -> float:
        """Cost of the cheapest assignment of the whole exam."""
        return float(self.costs[0].min()) if len(self.costs) else 0.0

    def best(self, i: int) -> str:
        """Return the phase of acquisition i in the cheapest exam."""
        return self.phases[int(self.costs[i].argmin())]

    def margin(self, i: int, phases: frozenset[str]) -> float:
        """Return how much dearer the exam is when acquisition i has none of the phases."""
        inside = [c for p, c in zip(self.phases, self.costs[i], strict=True) if p in phases]
        outside = [c for p, c in zip(self.phases, self.costs[i], strict=True) if p not in phases]
        lowest = min(inside, default=IMPOSSIBLE)
        return float(min(outside, default=IMPOSSIBLE) - lowest)

    def runner_up(self, i: int) -> str:
        """Return the second cheapest phase of acquisition i."""
        order = np.argsort(self.costs[i], kind="stable")
        return self.phases[int(order[1])]


def solve(
    acquisitions: Sequence[Acquisition],
    windows: Sequence[PhaseWindow],
    start_s: tuple[float, float] | None = None,
) -> Solution:
    """Return the costs of every phase for every acquisition.

    Parameters
    ----------
    acquisitions : sequence of Acquisition
        In order of time, seconds of one clock.
    windows : sequence of PhaseWindow
        The phases an exam of this modality and agent may have, in their order.
    start_s : pair of float, optional
        Earliest and latest start of injection; without it every start is tried.
    """
    phases = tuple(window.phase for window in windows)
    if not acquisitions:
        return Solution(phases, np.empty((0, len(phases))), 0.0)
    starts = _starts(acquisitions, windows, start_s)
    bearers = Counter(a.named for a in acquisitions)
    unary = [
        _unary(a, windows, starts, WRONG_NAME_COST / max(1, bearers[a.named] - 1))
        for a in acquisitions
    ]
    step = _transitions(windows)
    forward = _sweep(unary, step, _absent_before(windows))
    backward = _sweep(unary[::-1], step.T, _absent_after(windows))[::-1]
    joint = [f + b - u for f, b, u in zip(forward, backward, unary, strict=True)]
    costs = np.stack([j.min(axis=1) for j in joint])
    cheapest = int(joint[0].min(axis=0).argmin())
    return Solution(phases, np.minimum(costs, IMPOSSIBLE), float(starts[cheapest]))


def time_cost(window: PhaseWindow, offset_s: FloatArray) -> FloatArray:
    """Return how unusual a phase is at an offset: 0 if typical, 1 at an end of its window.

    Parameters
    ----------
    window : PhaseWindow
        Typical times lie in the window, the window between the limits.
    offset_s : float array
        Seconds after injection.
    """
    w = window
    knots = (
        w.conflict_before_s,
        w.from_s,
        w.typical_from_s,
        w.typical_to_s,
        w.to_s,
        w.conflict_after_s,
    )
    values = (_LIMIT_COST, _EDGE_COST, 0.0, 0.0, _EDGE_COST, _LIMIT_COST)
    cost = np.interp(offset_s, knots, values)
    outside = (offset_s < w.conflict_before_s) | (offset_s > w.conflict_after_s)
    return np.where(outside, IMPOSSIBLE, cost)


def _starts(
    acquisitions: Sequence[Acquisition],
    windows: Sequence[PhaseWindow],
    start_s: tuple[float, float] | None,
) -> FloatArray:
    if start_s is not None:
        return np.arange(start_s[0], start_s[1] + 0.5, 1.0)
    first, last = acquisitions[0].time_s, acquisitions[-1].time_s
    near = np.arange(
        first - _BEFORE_FIRST_S, last + 10.0, max(_STEP_S, (last - first) / _MOST_STARTS)
    )
    longest = max(w.typical_to_s for w in windows)
    far = np.arange(first - longest, first - _BEFORE_FIRST_S, _FAR_STEP_S)
    return np.concatenate([far, near])


def _unary(
    a: Acquisition, windows: Sequence[PhaseWindow], starts: FloatArray, wrong_name: float
) -> FloatArray:
    offsets = a.time_s - starts
    rows = [
        time_cost(w, offsets) + (wrong_name if a.named and w.phase not in a.named else 0.0)
        for w in windows
    ]
    unary = np.stack(rows)
    if a.stated_s is None:
        return unary
    tolerance_s = max(_STATED_TOLERANCE_S, _STATED_TOLERANCE * a.stated_s)
    return unary + np.where(np.abs(offsets - a.stated_s) > tolerance_s, WRONG_NAME_COST, 0.0)


def _transitions(windows: Sequence[PhaseWindow]) -> FloatArray:
    """Return the cost of phase q right after phase p: repeated, or others left out between."""
    n = len(windows)
    step = np.full((n, n), IMPOSSIBLE)
    for p in range(n):
        step[p, p] = windows[p].repeat_cost
        for q in range(p + 1, n):
            step[p, q] = sum(w.absent_cost for w in windows[p + 1 : q])
    return step


def _absent_before(windows: Sequence[PhaseWindow]) -> FloatArray:
    return np.asarray([sum(w.absent_cost for w in windows[:p]) for p in range(len(windows))])


def _absent_after(windows: Sequence[PhaseWindow]) -> FloatArray:
    return np.asarray([sum(w.absent_cost for w in windows[p + 1 :]) for p in range(len(windows))])


def _sweep(unary: Sequence[FloatArray], step: FloatArray, entry: FloatArray) -> list[FloatArray]:
    """Return for each acquisition the cheapest way to each phase, by start of injection."""
    reached = [unary[0] + entry[:, None]]
    for costs in unary[1:]:
        before = reached[-1]
        arrived = (before[:, None, :] + step[:, :, None]).min(axis=0)
        reached.append(arrived + costs)
    return reached
