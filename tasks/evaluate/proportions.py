"""Proportions with their 95 % intervals: of subjects, and of lesions within subjects. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

Counts = NDArray[np.float64]
LEVEL = 0.95
ALPHA = 1 - LEVEL
Z = float(stats.norm.ppf(1 - ALPHA / 2))


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; None where the data cannot give it."""

    value: float | None
    low: float | None = None
    high: float | None = None


#: Half an interval narrower than this is rounding: the data show no spread to tell of.
_NO_SPREAD = 1e-12


def with_margin(
    value: float, half: float, least: float = -math.inf, most: float = math.inf
) -> Estimate:
    """Return a number with an interval of `half` to each side, cut at its limits.

    Without an interval where there is no spread: one of no width would claim certainty.
    """
    if half <= _NO_SPREAD:
        return Estimate(value)
    return Estimate(value, max(least, value - half), min(most, value + half))


#: 0/0: there is nobody to estimate from.
NOT_ESTIMABLE = Estimate(None)


def wilson(successes: float, trials: float) -> Estimate:
    """Return a proportion with Wilson's score interval (Wilson 1927, JASA 22:209).

    Parameters
    ----------
    successes, trials : float
        May be fractions: an effective sample size is seldom whole.
    """
    return _binomial(successes, trials, "wilson")


def clopper_pearson(successes: float, trials: float) -> Estimate:
    """Return a proportion with the exact interval (Clopper & Pearson 1934, Biometrika 26:404)."""
    return _binomial(successes, trials, "beta")


def _binomial(successes: float, trials: float, method: str) -> Estimate:
    if trials <= 0:
        return NOT_ESTIMABLE
    low, high = proportion_confint(successes, trials, alpha=ALPHA, method=method)
    return Estimate(successes / trials, max(0.0, float(low)), min(1.0, float(high)))


@dataclass(frozen=True)
class ClusteredProportion:
    """A proportion of lesions, seen as a ratio over subjects.

    `interval` is Wilson's on the effective sample size; `icc` and `design_effect` are None where
    they cannot be estimated.
    """

    interval: Estimate
    n_clusters: int
    icc: float | None
    design_effect: float | None


def clustered_proportion(hits: Counts, sizes: Counts) -> ClusteredProportion:
    """Return the proportion of lesions with an interval that knows they share subjects.

    The ratio estimator over subjects with its between-subject variance (Cochran 1977, 2.11; Rao &
    Scott 1992, Biometrics 48:577) gives an effective sample size, corrected for how few subjects
    there are (Korn & Graubard 1998, Survey Methodology 24:193); Wilson's interval is taken there.
    Where all or none are hits the variance says nothing, and each subject counts once.

    Parameters
    ----------
    hits, sizes : ndarray of float, shape (subjects,)
        Lesions that are hits, and all lesions, of each subject; subjects without lesions count
        for nothing.
    """
    held = sizes > 0
    hits, sizes = hits[held], sizes[held]
    clusters, lesions = int(held.sum()), float(sizes.sum())
    if not clusters:
        return ClusteredProportion(NOT_ESTIMABLE, 0, None, None)
    share = float(hits.sum()) / lesions
    variance = ratio_variance(hits, sizes)
    binomial = share * (1 - share) / lesions
    effect = variance / binomial if variance is not None and binomial > 0 else None
    if effect is None or variance is None or variance <= 0:
        effective = float(clusters)
    else:
        effective = min(lesions, share * (1 - share) / variance)
    if clusters > 1:
        effective *= (Z / float(stats.t.ppf(1 - ALPHA / 2, clusters - 1))) ** 2
    interval = wilson(share * effective, effective)
    at_share = Estimate(share, interval.low, interval.high)
    return ClusteredProportion(at_share, clusters, intraclass_correlation(hits, sizes), effect)


def ratio_variance(hits: Counts, sizes: Counts) -> float | None:
    """Return the variance of sum(hits) / sum(sizes) between subjects; None with one subject."""
    clusters = len(sizes)
    if clusters < 2:
        return None
    residuals = hits - hits.sum() / sizes.sum() * sizes
    return float(clusters / (clusters - 1) * (residuals**2).sum() / sizes.sum() ** 2)


def intraclass_correlation(hits: Counts, sizes: Counts) -> float | None:
    """Return the ANOVA estimate of the correlation within subjects.

    Source: Ridout 1999, Biometrics 55:137. None where no subject has two lesions, all have the
    same outcome, or there is one subject.
    """
    clusters, lesions = len(sizes), float(sizes.sum())
    if clusters < 2 or lesions <= clusters:
        return None
    typical = (lesions - float((sizes**2).sum()) / lesions) / (clusters - 1)
    within = float((hits - hits**2 / sizes).sum()) / (lesions - clusters)
    between = float((hits**2 / sizes).sum()) - float(hits.sum()) ** 2 / lesions
    between /= clusters - 1
    total = between + (typical - 1) * within
    return None if math.isclose(total, 0.0, abs_tol=1e-15) else (between - within) / total
