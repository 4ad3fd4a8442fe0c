"""Areas under ROC curves and their covariance (DeLong); ties count one half. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tasks.evaluate.proportions import NOT_ESTIMABLE, Estimate, Z

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Areas:
    """Areas under several ROC curves of the same cases, and their covariance matrix."""

    values: Matrix
    covariance: Matrix


def delong(scores: Matrix, diseased: Flags) -> Areas:
    """Return the areas and their covariance (DeLong 1988, Biometrics 44:837).

    By midranks (Sun & Xu 2014, IEEE Signal Process Lett 21:1389): n log n for n cases.

    Parameters
    ----------
    scores : ndarray of float, shape (tests, cases)
        Higher means more likely diseased.
    diseased : ndarray of bool, shape (cases,)
        At least two of each kind.

    Raises
    ------
    ValueError
        If there are fewer than two diseased or two others.
    """
    positives, negatives = scores[:, diseased], scores[:, ~diseased]
    m, n = positives.shape[1], negatives.shape[1]
    if m < 2 or n < 2:
        raise ValueError("an area needs two diseased and two others")
    ranks = stats.rankdata(np.hstack([positives, negatives]), axis=1)
    among_positives = stats.rankdata(positives, axis=1)
    among_negatives = stats.rankdata(negatives, axis=1)
    above = (ranks[:, :m] - among_positives) / n  # share of others below each diseased case
    below = 1 - (ranks[:, m:] - among_negatives) / m
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return Areas(above.mean(axis=1), covariance)


def area(scores: Matrix, diseased: Flags) -> Estimate:
    """Return one area with its interval on the logit scale, so that it stays between 0 and 1.

    Where the area is 0 or 1, or its variance 0, the data give no interval.
    """
    if diseased.sum() < 2 or (~diseased).sum() < 2:
        return NOT_ESTIMABLE
    found = delong(scores[None, :], diseased)
    value, variance = float(found.values[0]), float(found.covariance[0, 0])
    if variance <= 0 or not 0 < value < 1:
        return Estimate(value)
    half = Z * math.sqrt(variance) / (value * (1 - value))
    middle = math.log(value / (1 - value))
    return Estimate(value, _expit(middle - half), _expit(middle + half))


@dataclass(frozen=True)
class AreaDifference:
    """Difference of two areas (first minus second), its variance, z and p-value."""

    difference: Estimate
    variance: float
    z: float | None
    p_value: float | None


def compare_areas(first: Matrix, second: Matrix, diseased: Flags) -> AreaDifference:
    """Return the difference of two areas of the same cases with DeLong's interval."""
    found = delong(np.vstack([first, second]), diseased)
    difference = float(found.values[0] - found.values[1])
    contrast = np.array([1.0, -1.0])
    variance = float(contrast @ found.covariance @ contrast)
    if variance <= 0:
        return AreaDifference(Estimate(difference), 0.0, None, None)
    half = Z * math.sqrt(variance)
    z = difference / math.sqrt(variance)
    interval = Estimate(difference, difference - half, difference + half)
    return AreaDifference(interval, variance, z, float(2 * stats.norm.sf(abs(z))))


def roc_points(scores: Matrix, diseased: Flags) -> list[tuple[float, float, float]]:
    """Return the empirical curve: threshold, 1 - specificity, sensitivity; the strictest first.

    Cases that share a score are one step.
    """
    m, n = int(diseased.sum()), int((~diseased).sum())
    if not m or not n:
        return []
    points = [(math.inf, 0.0, 0.0)]
    for threshold in np.unique(scores)[::-1]:
        called = scores >= threshold
        points.append(
            (
                float(threshold),
                float((called & ~diseased).sum()) / n,
                float((called & diseased).sum()) / m,
            )
        )
    return points


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value))
