"""The bootstrap over subjects: many ratios from the same draws, the same bytes for a seed. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.proportions import ALPHA, Estimate

Matrix = NDArray[np.float64]
DRAWS = 2_000
SEED = 20_241_115
_CHUNK = 100
#: Of fewer draws that give a number an interval would tell of the draws that do.
_ENOUGH = 0.95


def draw_weights(subjects: int, draws: int = DRAWS, seed: int = SEED) -> Iterator[Matrix]:
    """Yield how often each subject is drawn, `(up to 100, subjects)` at a time.

    Whole numbers in float64: sums of counts weighted by them are exact on every machine.
    """
    generator = np.random.default_rng(seed)
    for start in range(0, draws, _CHUNK):
        rows = min(_CHUNK, draws - start)
        drawn = generator.integers(0, subjects, size=(rows, subjects))
        drawn += np.arange(rows)[:, None] * subjects
        counts = np.bincount(drawn.ravel(), minlength=rows * subjects)
        yield counts.reshape(rows, subjects).astype(np.float64)


def bootstrap_ratios(
    hits: Matrix, sizes: Matrix, draws: int = DRAWS, seed: int = SEED
) -> list[Estimate]:
    """Return ratios of sums over subjects with the percentile interval of the cluster bootstrap.

    Parameters
    ----------
    hits, sizes : ndarray of float, shape (subjects, ratios)
        What each subject adds to numerator and denominator of each ratio.
    draws, seed : int
        Number of resamples of the subjects, and the start of the generator.

    Returns
    -------
    list of Estimate
        One for each ratio. Without interval where more than 5 % of the draws have nothing in the
        denominator; without value where the data have nothing there.
    """
    subjects, ratios = hits.shape
    if not subjects:
        return [Estimate(None)] * ratios
    both = np.hstack([hits, sizes])
    drawn = np.vstack([weights @ both for weights in draw_weights(subjects, draws, seed)])
    with np.errstate(invalid="ignore", divide="ignore"):
        found = drawn[:, :ratios] / drawn[:, ratios:]
        whole = hits.sum(axis=0) / sizes.sum(axis=0)
    return [interval_of_draws(whole[i], found[:, i]) for i in range(ratios)]


def interval_of_draws(value: float, draws: Matrix) -> Estimate:
    """Return a number with the middle 95 % of its draws; draws that are no number are left out.

    Without an interval where all draws agree (0/n, n/n): they cannot show what they never drew.
    """
    if not np.isfinite(value):
        return Estimate(None)
    finite = draws[np.isfinite(draws)]
    if len(finite) < _ENOUGH * len(draws):
        return Estimate(float(value))
    if finite.min() == finite.max():
        return Estimate(float(value))
    low, high = np.quantile(finite, [ALPHA / 2, 1 - ALPHA / 2])
    return Estimate(float(value), float(low), float(high))
