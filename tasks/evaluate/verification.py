"""Where only some were verified: Begg-Greenes under its assumption, bounds without. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tasks.evaluate.proportions import NOT_ESTIMABLE, Estimate, Z, wilson


@dataclass(frozen=True)
class Verification:
    """Persons by index result and reference: diseased, not diseased, not verified."""

    positive_diseased: int
    positive_healthy: int
    positive_unverified: int
    negative_diseased: int
    negative_healthy: int
    negative_unverified: int

    @property
    def positives(self) -> int:
        """Everybody with a positive index result."""
        return self.positive_diseased + self.positive_healthy + self.positive_unverified

    @property
    def negatives(self) -> int:
        """Everybody with a negative index result."""
        return self.negative_diseased + self.negative_healthy + self.negative_unverified


@dataclass(frozen=True)
class Accuracy:
    """Sensitivity and specificity."""

    sensitivity: Estimate
    specificity: Estimate


def naive(table: Verification) -> Accuracy:
    """Return what the verified alone say."""
    return _accuracy(
        table.positive_diseased,
        table.negative_diseased,
        table.negative_healthy,
        table.positive_healthy,
    )


def begg_greenes(table: Verification) -> Accuracy:
    """Return what holds if verification depends on nothing but the index result.

    Source: Begg & Greenes 1983, Biometrics 39:207; intervals on the logit scale from there.
    """
    verified_positive = table.positive_diseased + table.positive_healthy
    verified_negative = table.negative_diseased + table.negative_healthy
    if not (verified_positive and verified_negative):
        return Accuracy(NOT_ESTIMABLE, NOT_ESTIMABLE)
    total = table.positives + table.negatives
    share = table.positives / total
    if_positive = table.positive_diseased / verified_positive
    if_negative = table.negative_diseased / verified_negative
    of_calls = 1 / (total * share * (1 - share))
    sensitivity = _logit_interval(
        share * if_positive,
        (1 - share) * if_negative,
        of_calls,
        _odds_variance(1 - if_positive, if_positive, verified_positive),
        _odds_variance(1 - if_negative, if_negative, verified_negative),
    )
    specificity = _logit_interval(
        (1 - share) * (1 - if_negative),
        share * (1 - if_positive),
        of_calls,
        _odds_variance(if_positive, 1 - if_positive, verified_positive),
        _odds_variance(if_negative, 1 - if_negative, verified_negative),
    )
    return Accuracy(sensitivity, specificity)


def if_all_unverified_diseased(table: Verification) -> Accuracy:
    """Return the bound at which every unverified person has the disease."""
    return _accuracy(
        table.positive_diseased + table.positive_unverified,
        table.negative_diseased + table.negative_unverified,
        table.negative_healthy,
        table.positive_healthy,
    )


def if_all_unverified_healthy(table: Verification) -> Accuracy:
    """Return the bound at which no unverified person has the disease."""
    return _accuracy(
        table.positive_diseased,
        table.negative_diseased,
        table.negative_healthy + table.negative_unverified,
        table.positive_healthy + table.positive_unverified,
    )


def _accuracy(tp: int, fn: int, tn: int, fp: int) -> Accuracy:
    return Accuracy(wilson(tp, tp + fn), wilson(tn, tn + fp))


def _odds_variance(above: float, below: float, n: int) -> float:
    return above / (below * n) if below > 0 else math.inf


def _logit_interval(part: float, rest: float, *variances: float) -> Estimate:
    if part + rest <= 0:
        return NOT_ESTIMABLE
    value, variance = part / (part + rest), math.fsum(variances)
    if not (part > 0 and rest > 0 and math.isfinite(variance)):
        return Estimate(value)
    half, middle = Z * math.sqrt(variance), math.log(part / rest)
    return Estimate(value, _expit(middle - half), _expit(middle + half))


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value))
