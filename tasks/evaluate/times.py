"""Outcome time: medians of a machine or a reader, and what the aid does to reading time. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tasks.evaluate.proportions import ALPHA, LEVEL, NOT_ESTIMABLE, Estimate, with_margin


@dataclass(frozen=True)
class Times:
    """Median with its interval, and the quartiles; all None without a time."""

    median: Estimate
    quartiles: tuple[float, float] | None
    n: int


def summarise(values: Sequence[float]) -> Times:
    """Return median and quartiles; the interval from order statistics, whatever the distribution.

    Source: David & Nagaraja 2003, Order Statistics, 7.1. No interval where so few values cannot
    give 95 %.
    """
    if not values:
        return Times(NOT_ESTIMABLE, None, 0)
    ordered = np.sort(np.array(values, dtype=float))
    n = len(ordered)
    low, median, high = (float(q) for q in np.quantile(ordered, [0.25, 0.5, 0.75]))
    rank = int(stats.binom.ppf(ALPHA / 2, n, 0.5))
    enough = 1 - 2 * stats.binom.cdf(rank - 1, n, 0.5) >= LEVEL if rank > 0 else False
    interval = Estimate(median)
    if enough:
        interval = Estimate(median, float(ordered[rank - 1]), float(ordered[n - rank]))
    return Times(interval, (low, high), n)


@dataclass(frozen=True)
class TimedPair:
    """Net minutes of one reader over one case in both arms; `aided_second` tells the order."""

    reader: str
    unaided_minutes: float
    aided_minutes: float
    aided_second: bool


@dataclass(frozen=True)
class AidEffect:
    """What the aid does to reading time, as ratios aided / unaided; the period second / first.

    `period` is None where all pairs have one order: then it cannot be told from the aid.
    """

    ratio: Estimate
    period: Estimate | None
    carry_over: Estimate | None
    n_pairs: int
    n_readers: int


def aid_effect(pairs: Sequence[TimedPair]) -> AidEffect:
    """Return the ratio of reading times free of the period, over readers.

    Each reader x order has a mean log ratio. The aid is the mean of the two orders, the period
    half their difference (Grizzle 1965, Biometrics 21:467; Jones & Kenward 2014, 2.3); the spread
    between readers gives the interval. The carry-over compares the sums of the logs of both
    periods between the orders; with so few readers it misses much.
    """
    cells: dict[tuple[bool, str], list[tuple[float, float]]] = defaultdict(list)
    for pair in pairs:
        aided, unaided = math.log(pair.aided_minutes), math.log(pair.unaided_minutes)
        cells[pair.aided_second, pair.reader].append((aided - unaided, aided + unaided))
    means = {key: np.mean(values, axis=0) for key, values in sorted(cells.items())}
    groups = [np.array([m for (late, _), m in means.items() if late is o]) for o in (False, True)]
    n_pairs, n_readers = len(pairs), len({reader for _, reader in cells})
    if not n_pairs:
        return AidEffect(NOT_ESTIMABLE, None, None, 0, 0)
    if not all(len(group) for group in groups):
        only = groups[0] if len(groups[0]) else groups[1]
        return AidEffect(_exp(_one_mean(only[:, 0])), None, None, n_pairs, n_readers)
    early, late = groups
    return AidEffect(
        ratio=_exp(_half(late[:, 0], early[:, 0], +1)),
        period=_exp(_half(late[:, 0], early[:, 0], -1)),
        carry_over=_exp(_half(late[:, 1], early[:, 1], -1)),
        n_pairs=n_pairs,
        n_readers=n_readers,
    )


def _half(one: np.ndarray, other: np.ndarray, sign: int) -> Estimate:
    """Return (mean of one + sign * mean of other) / 2 with a pooled t interval."""
    value = float(one.mean() + sign * other.mean()) / 2
    df = len(one) + len(other) - 2
    if df < 1:
        return Estimate(value)
    squares = float(((one - one.mean()) ** 2).sum() + ((other - other.mean()) ** 2).sum())
    error = math.sqrt(squares / df * (1 / len(one) + 1 / len(other))) / 2
    half = float(stats.t.ppf(1 - ALPHA / 2, df)) * error
    return with_margin(value, half)


def _one_mean(values: np.ndarray) -> Estimate:
    value = float(values.mean())
    if len(values) < 2:
        return Estimate(value)
    half = float(stats.t.ppf(1 - ALPHA / 2, len(values) - 1) * stats.sem(values))
    return with_margin(value, half)


def _exp(found: Estimate) -> Estimate:
    ends = (None if end is None else math.exp(end) for end in (found.value, found.low, found.high))
    return Estimate(*ends)
