"""Localisation: FROC curves, and the jackknife alternative FROC figure of merit. Pure.

Sources: Chakraborty & Berbaum 2004, Med Phys 31:2313; Chakraborty 2017, Observer Performance
Methods for Diagnostic Imaging, chapter 14. Everybody in this cohort has a lesion, so the figure is
AFROC1: the false marks of every case count, not those of lesion-free cases only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.bootstrap import DRAWS, SEED, draw_weights, interval_of_draws
from tasks.evaluate.proportions import Estimate

Matrix = NDArray[np.float64]
#: What an unmarked lesion, or a case without a false mark, is rated.
UNMARKED = -math.inf


@dataclass(frozen=True)
class CaseMarks:
    """One case: scores of its lesions (`UNMARKED`: nobody marked it) and of its false marks."""

    lesions: tuple[float, ...]
    false_marks: tuple[float, ...]

    @property
    def highest_false_mark(self) -> float:
        """The score of the false mark that is surest."""
        return max(self.false_marks, default=UNMARKED)


@dataclass(frozen=True)
class FrocPoint:
    """What a threshold gives: lesions found of all, and false marks for each case."""

    threshold: float
    false_marks_per_case: float
    sensitivity: Estimate


def froc_curve(
    cases: Sequence[CaseMarks], draws: int = DRAWS, seed: int = SEED, most: int = 60
) -> list[FrocPoint]:
    """Return the FROC curve, the strictest threshold first, with a bootstrap over cases.

    Parameters
    ----------
    cases : sequence of CaseMarks
        One for each subject.
    draws, seed : int
        Of the bootstrap.
    most : int
        Points kept, spread evenly over the thresholds there are.
    """
    scores = sorted({s for c in cases for s in (*c.lesions, *c.false_marks)} - {UNMARKED})[::-1]
    if not scores or not any(case.lesions for case in cases):
        return []
    chosen = np.unique(np.linspace(0, len(scores) - 1, min(most, len(scores))).round().astype(int))
    thresholds = np.array(scores)[chosen]
    found = np.array([_counts(case.lesions, thresholds) for case in cases])
    false = np.array([_counts(case.false_marks, thresholds) for case in cases])
    lesions = np.array([float(len(case.lesions)) for case in cases])
    with np.errstate(invalid="ignore"):  # a draw may hold nobody with a lesion
        drawn = np.vstack(
            [w @ found / (w @ lesions)[:, None] for w in draw_weights(len(cases), draws, seed)]
        )
    sensitivity = found.sum(axis=0) / lesions.sum()
    return [
        FrocPoint(
            float(threshold),
            float(false[:, i].sum()) / len(cases),
            interval_of_draws(float(sensitivity[i]), drawn[:, i]),
        )
        for i, threshold in enumerate(thresholds)
    ]


def _counts(scores: Sequence[float], thresholds: Matrix) -> Matrix:
    reached = np.array(scores, dtype=float)[:, None] >= thresholds[None, :]
    counts: Matrix = reached.sum(axis=0).astype(np.float64)
    return counts


def afroc_figure(cases: Sequence[CaseMarks], *, weighted: bool = False) -> tuple[float, Matrix]:
    """Return the figure of merit, and what it is without each case.

    The probability that a lesion is rated above the surest false mark of a case, ties one half.

    Parameters
    ----------
    cases : sequence of CaseMarks
        At least two, with a lesion among the rest whichever is left out.
    weighted : bool
        Every case with lesions counts the same, not every lesion.

    Returns
    -------
    tuple of float and ndarray of shape (cases,)
        NaN where there is no lesion.
    """
    rivals = np.array([case.highest_false_mark for case in cases])
    lesions, owner, weights = _lesions(cases, weighted=weighted)
    beats = (lesions[None, :] > rivals[:, None]) + 0.5 * (lesions[None, :] == rivals[:, None])
    beats = beats * weights[None, :]
    by_case = np.zeros((len(cases), len(cases)))
    np.add.at(by_case.T, owner, beats.T)  # rows: whose false mark; columns: whose lesions
    per_case = np.bincount(owner, weights, minlength=len(cases))
    total, n, heaviest = by_case.sum(), len(cases), per_case.sum()
    without = total - by_case.sum(axis=0) - by_case.sum(axis=1) + np.diag(by_case)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(total / (n * heaviest)), without / ((n - 1) * (heaviest - per_case))


def _lesions(
    cases: Sequence[CaseMarks], *, weighted: bool
) -> tuple[Matrix, NDArray[np.int64], Matrix]:
    def rows() -> Iterator[tuple[float, int, float]]:
        for number, case in enumerate(cases):
            for score in case.lesions:
                yield score, number, 1 / len(case.lesions) if weighted else 1.0

    found = list(rows())
    return (
        np.array([row[0] for row in found], dtype=float),
        np.array([row[1] for row in found], dtype=np.int64),
        np.array([row[2] for row in found], dtype=float),
    )
