"""Drift: a slow change is flagged, noise and small numbers are not."""

from __future__ import annotations

from random import Random

from tasks.report.drift import METRICS, MIN_SERIES, measure_drift, watch
from tasks.report.model import read_cohort
from tests.unit.report.synthetic import make_report

MONTHS = [f"2026-{month:02d}" for month in range(1, 13)]


def values(means: list[float], n: int, seed: int = 3) -> dict[str, list[float]]:
    random = Random(seed)
    return {
        month: [random.gauss(mean, 0.5) for _ in range(n)]
        for month, mean in zip(MONTHS, means, strict=False)
    }


def test_a_slow_rise_is_flagged_and_says_in_which_direction() -> None:
    rising = watch("t1_mm", values([3 + 0.1 * n for n in range(12)], 30))
    falling = watch("t1_mm", values([3 - 0.1 * n for n in range(12)], 30))
    assert (rising.months[-1].flag, falling.months[-1].flag) == ("up", "down")


def test_noise_is_rarely_flagged() -> None:
    flagged = [
        any(month.flag for month in watch("t1_mm", values([3.0] * 12, 30, seed)).months)
        for seed in range(100)
    ]
    assert sum(flagged) <= 10


def test_a_month_of_few_series_is_shown_and_not_judged() -> None:
    few = {"2026-01": [3.0, 3.1] * 10, "2026-02": [9.0] * (MIN_SERIES - 1)}
    found = watch("t1_mm", few)
    assert [month.n for month in found.months] == [20, MIN_SERIES - 1]
    assert found.months[-1].flag == ""


def test_values_that_never_change_are_no_drift() -> None:
    assert not any(m.flag for m in watch("field_t", dict.fromkeys(MONTHS, [3.0] * 9)).months)


def test_every_site_with_series_has_every_measure_with_its_n() -> None:
    report = make_report(n_sites=3)
    cohort = read_cohort(report.tables)
    drifts = measure_drift(cohort, report.batches)
    assert [one.site_code for one in drifts] == ["S01", "S02", "S03"]
    assert {m.metric for m in drifts[0].measures} == set(METRICS)
    sure = sum(one.measures[-1].n for one in drifts)
    assert sure == len(cohort.series)


def test_a_new_maker_is_named() -> None:
    report = make_report(n_sites=1)
    rows = report.tables["imaging_study"].to_pylist()
    newest = max(report.batches, key=lambda one: str(one.edc_export_as_of)).batch_id
    changed = next(
        row["study_uid"] for row in report.tables["series"].to_pylist() if row["batch_id"] == newest
    )
    for row in rows:
        if row["study_uid"] == changed:
            row["manufacturer"] = "Newcomer"
    studies = type(report.tables["imaging_study"]).from_pylist(
        rows, schema=report.tables["imaging_study"].schema
    )
    series = report.tables["series"].to_pylist()
    for row in series:
        if row["study_uid"] == changed:
            row["batch_id"] = newest
    tables = {
        **report.tables,
        "imaging_study": studies,
        "series": type(studies).from_pylist(series, schema=report.tables["series"].schema),
    }
    (drift,) = measure_drift(read_cohort(tables), report.batches)
    assert drift.new_vendors == ("Newcomer",)
