"""How far a value lies from those of its scanner and label, by median and MAD. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.measure.catalogue import Metric

#: Fewer values than these make no distribution: nothing is an outlier of them.
LEAST_GROUP = 10
#: More scaled deviations than these from the median.
MOST_DEVIATIONS = 3.0
#: Makes the median absolute deviation of a normal distribution its standard deviation.
_SCALE = 1.4826


@dataclass(frozen=True)
class Spread:
    """Median and scaled MAD of `n` values; `worse` is the side that is looked at."""

    n: int
    median: float
    deviation: float
    worse: str

    def distance(self, value: float) -> float | None:
        """Return by how many scaled MAD a value lies above the median; None of too few."""
        if self.n < LEAST_GROUP:
            return None
        return (value - self.median) / self.deviation

    def is_outlier(self, distance: float) -> bool:
        """Return whether a distance is more than three, on the bad side."""
        if self.worse == "both":
            return abs(distance) > MOST_DEVIATIONS
        return (distance if self.worse == "high" else -distance) > MOST_DEVIATIONS


def spread_of(values: Sequence[float], metric: Metric) -> Spread:
    """Return the spread of a group, at least the floor of the metric.

    Notes
    -----
    Leys et al., J Exp Soc Psychol 2013;49:764-766: median and MAD, three deviations.
    """
    median = float(np.median(values))
    deviation = _SCALE * float(np.median(np.abs(np.asarray(values) - median)))
    return Spread(len(values), median, max(deviation, metric.spread_floor), metric.worse)
