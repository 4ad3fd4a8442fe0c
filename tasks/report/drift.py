"""Whether what a site sends changes over the months: thickness, field, vendor, label certainty.

Dates of exams are shifted per person, so the month is that of the delivery: the day a site's
export states. The flag is a cumulative sum (CUSUM): it asks whether small deviations in one
direction add up, which a single month would not show.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from tasks.report.model import BatchAccount, Cohort
from tasks.report.tables import SeriesRow, StudyRow

#: A month with fewer series is shown and not judged.
MIN_SERIES = 5
#: Half a standard error is let pass; five of them together raise the flag (k and h of CUSUM).
SLACK, THRESHOLD = 0.5, 5.0
#: Where all values are the same: less is rounding.
_LEAST_SPREAD = 1e-3
#: Labels with one explicit source at least; C, X and none are not sure.
_SURE_TIERS = ("A", "B")

_Value = Callable[[SeriesRow, StudyRow], float | None]


def _thickness(weighting: str) -> _Value:
    def value(series: SeriesRow, _study: StudyRow) -> float | None:
        return series.slice_thickness_mm if series.weighting == weighting else None

    return value


def _label_sure(series: SeriesRow, _study: StudyRow) -> float | None:
    return 100.0 * (series.label_tier in _SURE_TIERS)


def _field(_series: SeriesRow, study: StudyRow) -> float | None:
    return study.field_strength_t


METRICS: Mapping[str, _Value] = {
    "t1_mm": _thickness("T1"),
    "t2_mm": _thickness("T2"),
    "ct_mm": _thickness("CT"),
    "field_t": _field,
    "label_sure": _label_sure,
}


@dataclass(frozen=True)
class Month:
    """One month of one measure: mean, number of series, and the two running sums."""

    month: str
    n: int
    mean: float
    above: float
    below: float

    @property
    def flag(self) -> str:
        """`up` or `down` when the deviations have added up, else empty."""
        if self.above > THRESHOLD:
            return "up"
        return "down" if self.below > THRESHOLD else ""


@dataclass(frozen=True)
class Series:
    """One measure at one site over the months, with its line in a box of 120 by 28."""

    metric: str
    months: tuple[Month, ...]
    points: str

    @property
    def n(self) -> int:
        """Series behind all months."""
        return sum(month.n for month in self.months)


@dataclass(frozen=True)
class SiteDrift:
    """Everything of one site; `vendors` is the newest month's share of makers."""

    site_code: str
    measures: tuple[Series, ...]
    vendors: tuple[tuple[str, int], ...]
    new_vendors: tuple[str, ...]


def measure_drift(cohort: Cohort, batches: Iterable[BatchAccount]) -> tuple[SiteDrift, ...]:
    """Return one row per site that has series, sorted by site."""
    month_of = {
        one.batch_id: one.edc_export_as_of.strftime("%Y-%m")
        for one in batches
        if one.edc_export_as_of is not None
    }
    site_of = {one.subject_id: one.site_code for one in cohort.subjects}
    study_of = {one.study_uid: one for one in cohort.studies}
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    vendors: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for series in cohort.series:
        site, month = site_of.get(series.subject_id), month_of.get(series.batch_id)
        study = study_of.get(series.study_uid)
        if site is None or month is None or study is None:
            continue
        vendors[site][month][study.manufacturer or "?"] += 1
        for metric, value_of in METRICS.items():
            value = value_of(series, study)
            if value is not None:
                values[site, metric][month].append(value)
    return tuple(
        SiteDrift(
            site_code=site,
            measures=tuple(watch(metric, values[site, metric]) for metric in METRICS),
            vendors=_newest(by_month),
            new_vendors=_newcomers(by_month),
        )
        for site, by_month in sorted(vendors.items())
    )


def watch(metric: str, by_month: Mapping[str, Sequence[float]]) -> Series:
    """Return the months of one measure with the running sums.

    A site is compared with itself, since sites differ by their scanners: each month with the
    mean of all its months before (a self-starting CUSUM, Hawkins 1987), in standard errors
    of that difference.

    Parameters
    ----------
    metric : str
        A name of `METRICS`.
    by_month : mapping of str to sequence of float
        Values by month `YYYY-MM`.
    """
    ordered = sorted(by_month.items())
    spread = _spread(list(by_month.values()))
    above = below = total = 0.0
    n_before = 0
    months = []
    for month, values in ordered:
        mean, n = fmean(values), len(values)
        if n >= MIN_SERIES:
            if n_before:
                error = spread * sqrt(1 / n + 1 / n_before)
                z = (mean - total / n_before) / error
                above, below = max(0.0, above + z - SLACK), max(0.0, below - z - SLACK)
            total, n_before = total + sum(values), n_before + n
        months.append(Month(month, n, mean, above, below))
    return Series(metric, tuple(months), _line([month.mean for month in months]))


def _spread(groups: Sequence[Sequence[float]]) -> float:
    """Return the standard deviation within months, so that a drift does not hide itself."""
    squares = sum(
        (value - mean) ** 2 for group in groups for mean in [fmean(group)] for value in group
    )
    freedom = sum(len(group) - 1 for group in groups)
    return max(sqrt(squares / freedom), _LEAST_SPREAD) if freedom > 0 else _LEAST_SPREAD


def _line(means: Sequence[float], width: float = 120.0, height: float = 28.0) -> str:
    if not means:
        return ""
    low, reach = min(means), max(means) - min(means)
    step = (width - 8) / max(1, len(means) - 1)

    def place(number: int, mean: float) -> str:
        y = height - 4 - (mean - low) / reach * (height - 8) if reach else height / 2
        return f"{4 + number * step:.1f},{y:.1f}"

    return " ".join(place(number, mean) for number, mean in enumerate(means))


def _newest(by_month: Mapping[str, Counter[str]]) -> tuple[tuple[str, int], ...]:
    newest = by_month[max(by_month)]
    return tuple(sorted(newest.items(), key=lambda pair: (-pair[1], pair[0])))


def _newcomers(by_month: Mapping[str, Counter[str]]) -> tuple[str, ...]:
    newest = max(by_month)
    before = {vendor for month, found in by_month.items() if month != newest for vendor in found}
    return tuple(sorted(set(by_month[newest]) - before)) if before else ()
