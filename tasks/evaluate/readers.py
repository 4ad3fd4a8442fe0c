"""Several readers of the same cases under several arms: Obuchowski-Rockette, Hillis. Pure.

Sources: Obuchowski & Rockette 1995, Commun Stat Simul 24:285; Hillis 2007, Stat Med 26:596
(degrees of freedom); Hillis 2014, Stat Med 33:330 (intervals of one arm, fixed readers or cases).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tasks.evaluate.proportions import ALPHA, LEVEL, Estimate, with_margin

Matrix = NDArray[np.float64]
_UPPER = 1 - ALPHA / 2


@dataclass(frozen=True)
class ErrorTerms:
    """Variance of one figure and the covariances of two.

    `cov1`: one reader, two arms; `cov2`: two readers, one arm; `cov3`: two readers, two arms.
    """

    var: float
    cov1: float
    cov2: float
    cov3: float


@dataclass(frozen=True)
class Test:
    """A test of no difference between arms: statistic, degrees of freedom, p-value.

    `df2` is None for a chi-square. `differences` are of arm i minus arm j, i < j.
    """

    statistic: float
    df1: float
    df2: float | None
    p_value: float
    differences: dict[tuple[int, int], Estimate]


@dataclass(frozen=True)
class ReaderAnalysis:
    """What readers x cases say of the arms.

    `rrrc`: random readers, random cases; `frrc`: fixed readers; `rrfc`: fixed cases. `arms` are
    the means over readers with intervals for random readers and cases.
    """

    means: tuple[float, ...]
    arms: tuple[Estimate, ...]
    terms: ErrorTerms
    rrrc: Test
    frrc: Test
    rrfc: Test


def obuchowski_rockette(figures: Matrix, covariance: Matrix) -> ReaderAnalysis:
    """Return the analysis of a fully crossed study.

    Parameters
    ----------
    figures : ndarray of float, shape (arms, readers)
        A figure of merit (area, ...) of each reader in each arm; two of each at least.
    covariance : ndarray of float, shape (arms * readers, arms * readers)
        Covariance of the figures over cases, in C order of `figures`.

    Raises
    ------
    ValueError
        If there is one reader or one arm only.
    """
    arms, readers = figures.shape
    if arms < 2 or readers < 2:
        raise ValueError("readers x cases needs two arms and two readers")
    terms = error_terms(figures.shape, covariance)
    means, by_reader = figures.mean(axis=1), figures.mean(axis=0)
    grand = float(figures.mean())
    ms_arm = readers * float(((means - grand) ** 2).sum()) / (arms - 1)
    rest = figures - means[:, None] - by_reader[None, :] + grand
    df_rest = (arms - 1) * (readers - 1)
    ms_rest = float((rest**2).sum()) / df_rest
    shared = max(terms.cov2 - terms.cov3, 0.0)

    denominator = ms_rest + readers * shared
    df2 = math.inf if ms_rest <= 0 else denominator**2 / (ms_rest**2 / df_rest)
    fixed_readers = terms.var - terms.cov1 + (readers - 1) * shared
    chi2 = (arms - 1) * _ratio(ms_arm, fixed_readers)
    return ReaderAnalysis(
        means=tuple(map(float, means)),
        arms=tuple(_arm(figures[i], i, covariance) for i in range(arms)),
        terms=terms,
        rrrc=_f_test(ms_arm, denominator, arms, df2, means, readers),
        frrc=Test(
            chi2,
            arms - 1,
            None,
            float(stats.chi2.sf(chi2, arms - 1)),
            _differences(means, fixed_readers, readers, float(stats.norm.ppf(_UPPER))),
        ),
        rrfc=_f_test(ms_arm, ms_rest, arms, df_rest, means, readers),
    )


def error_terms(shape: tuple[int, ...], covariance: Matrix) -> ErrorTerms:
    """Return the means of the four kinds of elements of a covariance matrix."""
    arms, readers = shape
    blocks = covariance.reshape(arms, readers, arms, readers)
    same_arm = np.eye(arms, dtype=bool)[:, None, :, None]
    same_reader = np.eye(readers, dtype=bool)[None, :, None, :]
    kinds = (
        same_arm & same_reader,
        ~same_arm & same_reader,
        same_arm & ~same_reader,
        ~same_arm & ~same_reader,
    )
    means = (float(blocks[np.broadcast_to(kind, blocks.shape)].mean()) for kind in kinds)
    return ErrorTerms(*means)


def jackknife_covariance(deleted: Matrix) -> Matrix:
    """Return the covariance of figures from what they are without each case.

    Parameters
    ----------
    deleted : ndarray of float, shape (cases, figures)
        Each figure computed without each case.
    """
    cases = len(deleted)
    centred = deleted - deleted.mean(axis=0)
    covariance: Matrix = (cases - 1) / cases * centred.T @ centred
    return covariance


def _arm(figures: Matrix, arm: int, covariance: Matrix) -> Estimate:
    """Return the mean of an arm from the data of that arm alone (Hillis 2014, 4.3)."""
    readers = len(figures)
    at = slice(arm * readers, (arm + 1) * readers)
    cov2 = float(covariance[at, at][~np.eye(readers, dtype=bool)].mean())
    ms_reader = float(figures.var(ddof=1))
    total = ms_reader + max(readers * cov2, 0.0)
    df = math.inf if ms_reader <= 0 else total**2 / (ms_reader**2 / (readers - 1))
    half = _quantile(df) * math.sqrt(total / readers)
    return with_margin(float(figures.mean()), half, 0.0, 1.0)


def _f_test(
    ms_arm: float, denominator: float, arms: int, df2: float, means: Matrix, readers: int
) -> Test:
    f = _ratio(ms_arm, denominator)
    p_value = stats.chi2.sf(f * (arms - 1), arms - 1)
    if math.isfinite(df2):
        p_value = stats.f.sf(f, arms - 1, df2)
    differences = _differences(means, denominator, readers, _quantile(df2))
    return Test(f, arms - 1, df2, float(p_value), differences)


def _differences(
    means: Matrix, variance: float, readers: int, quantile: float
) -> dict[tuple[int, int], Estimate]:
    half = quantile * math.sqrt(max(variance, 0.0) * 2 / readers)
    return {
        (i, j): with_margin(float(means[i] - means[j]), half)
        for i in range(len(means))
        for j in range(i + 1, len(means))
    }


def _ratio(above: float, below: float) -> float:
    if below > 0:
        return above / below
    return math.inf if above > 0 else 0.0


def _quantile(df: float) -> float:
    if math.isinf(df):
        return float(stats.norm.ppf(_UPPER))
    return float(stats.t.ppf((1 + LEVEL) / 2, df))
