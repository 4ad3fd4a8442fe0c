"""Two tests of the same subjects compared: the AI system beside a reader. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.contingency_tables import mcnemar

from tasks.evaluate.proportions import Estimate, Z, with_margin

Flags = NDArray[np.bool_]
_NEARLY_ONE = 1 - 1e-12


@dataclass(frozen=True)
class Comparison:
    """A difference (first minus second) with its interval, the test statistic and its p-value.

    `n` says how many subjects it rests on. The p-value is None where there is none.
    """

    difference: Estimate
    n: int
    p_value: float | None
    statistic: float | None = None


def compare_proportions(first: Flags, second: Flags) -> Comparison:
    """Return the difference of two paired proportions: Tango's interval, exact McNemar.

    Parameters
    ----------
    first, second : ndarray of bool, shape (subjects,)
        Whether each test was right (positive, ...) in each subject.
    """
    only_first = int((first & ~second).sum())
    only_second = int((~first & second).sum())
    n = len(first)
    if not n:
        return Comparison(Estimate(None), 0, None)
    table = [[n - only_first - only_second, only_first], [only_second, 0]]
    p_value = float(mcnemar(table, exact=True).pvalue) if only_first + only_second else 1.0
    return Comparison(tango(only_first, only_second, n), n, min(1.0, p_value))


def tango(only_first: int, only_second: int, n: int) -> Estimate:
    """Return the difference of paired proportions with the score interval.

    Source: Tango 1998, Stat Med 17:891, equations 14-16.

    Parameters
    ----------
    only_first, only_second : int
        Pairs in which only the first, only the second test is positive.
    n : int
        All pairs.
    """
    value = (only_first - only_second) / n

    def score(difference: float) -> float:
        b = -only_first - only_second + (2 * n - only_first + only_second) * difference
        c = -only_second * difference * (1 - difference)
        discordant = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        variance = n * (2 * discordant + difference * (1 - difference))
        return (only_first - only_second - n * difference) / math.sqrt(max(variance, 1e-300))

    def limit(side: float, end: float) -> float:
        start = value + math.copysign(1e-12, end)
        if abs(start) >= 1 or (score(start) - side) * (score(end) - side) > 0:
            return math.copysign(1.0, end)
        return float(brentq(lambda at: score(at) - side, start, end, xtol=1e-14))

    return Estimate(value, limit(Z, -_NEARLY_ONE), limit(-Z, _NEARLY_ONE))


def compare_predictive_values(diseased: Flags, first: Flags, second: Flags) -> Comparison:
    """Return the difference of the PPV of two tests of the same subjects.

    The statistic is the weighted generalised score (Kosinski 2013, Stat Med 32:964). The interval
    is Wald's with the variance of the influence of each subject; for the NPV give the
    complements of all three.

    Parameters
    ----------
    diseased, first, second : ndarray of bool, shape (subjects,)
        Reference standard, and which of the subjects each test calls positive.
    """
    n_first, n_second = int(first.sum()), int(second.sum())
    if not n_first or not n_second:
        return Comparison(Estimate(None), 0, None)
    ppv_first = float(diseased[first].mean())
    ppv_second = float(diseased[second].mean())
    difference = ppv_first - ppv_second
    pooled = (diseased & first).sum() + (diseased & second).sum()
    pooled = float(pooled) / (n_first + n_second)
    both = first & second
    shared = float(((diseased[both] - pooled) ** 2).sum()) / (n_first + n_second)
    scale = (pooled * (1 - pooled) - 2 * shared) * (1 / n_first + 1 / n_second)
    either = int((first | second).sum())
    influence = first * (diseased - ppv_first) / n_first
    influence = influence - second * (diseased - ppv_second) / n_second
    half = Z * math.sqrt(float((influence**2).sum()))
    interval = with_margin(difference, half, -1.0, 1.0)
    if scale <= 1e-15:  # the same calls, or nobody tells the two apart
        return Comparison(interval, either, None)
    statistic = difference**2 / scale
    return Comparison(interval, either, float(stats.chi2.sf(statistic, 1)), statistic)
