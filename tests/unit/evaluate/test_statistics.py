"""Estimators against sources that do not share their code: scipy, statsmodels, brute force."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import special, stats
from scipy.optimize import minimize_scalar

from tasks.evaluate.bootstrap import bootstrap_ratios, draw_weights
from tasks.evaluate.froc import UNMARKED, CaseMarks, afroc_figure, froc_curve
from tasks.evaluate.paired import compare_predictive_values, compare_proportions, tango
from tasks.evaluate.proportions import (
    Estimate,
    clopper_pearson,
    clustered_proportion,
    intraclass_correlation,
    ratio_variance,
    wilson,
)
from tasks.evaluate.readers import jackknife_covariance, obuchowski_rockette
from tasks.evaluate.roc import area, compare_areas, delong, roc_points
from tasks.evaluate.times import TimedPair, aid_effect, summarise
from tasks.evaluate.verification import (
    Verification,
    begg_greenes,
    if_all_unverified_diseased,
    if_all_unverified_healthy,
)

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(("k", "n"), [(0, 7), (7, 7), (1, 1), (0, 1), (45, 50), (397, 451)])
def test_binomial_intervals_are_those_of_scipy(k: int, n: int) -> None:
    test = stats.binomtest(k, n)
    for found, method in ((wilson(k, n), "wilson"), (clopper_pearson(k, n), "exact")):
        expected = test.proportion_ci(method=method)
        assert found.value == k / n
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=5e-7)


def test_nothing_of_nothing_is_not_estimable() -> None:
    assert wilson(0, 0) == clopper_pearson(0, 0) == Estimate(None)
    nobody = np.zeros(3)
    assert clustered_proportion(nobody, nobody).interval == Estimate(None)
    assert bootstrap_ratios(np.zeros((3, 1)), np.zeros((3, 1)), draws=10) == [Estimate(None)]
    assert compare_proportions(np.zeros(0, bool), np.zeros(0, bool)).difference == Estimate(None)


def test_the_variance_of_the_ratio_is_that_of_linearised_residuals_and_of_gee() -> None:
    import pandas as pd
    import statsmodels.api as sm

    sizes = RNG.integers(1, 5, 60).astype(float)
    hits = RNG.binomial(sizes.astype(int), 0.8).astype(float)
    rows = [
        (subject, int(number < hits[subject]))
        for subject in range(60)
        for number in range(int(sizes[subject]))
    ]
    frame = pd.DataFrame(rows, columns=["subject", "hit"])
    family = sm.families.Gaussian()
    fitted = sm.GEE(frame["hit"], np.ones(len(frame)), frame["subject"], family=family).fit()
    robust = float(np.asarray(fitted.cov_params()).ravel()[0])
    found = ratio_variance(hits, sizes)
    assert found == pytest.approx(robust * 60 / 59, rel=1e-6)


def test_lesions_of_one_subject_that_agree_have_correlation_one() -> None:
    sizes = np.array([2.0, 3, 2, 2])
    assert intraclass_correlation(np.array([2.0, 0, 2, 0]), sizes) == pytest.approx(1.0)
    assert intraclass_correlation(np.array([1.0, 1]), np.array([1.0, 1])) is None


def test_the_correlation_is_that_of_a_one_way_analysis_of_variance() -> None:
    sizes = RNG.integers(1, 6, 40)
    hits = RNG.binomial(sizes, RNG.beta(2, 1, 40))
    groups = [np.repeat([1.0, 0.0], [h, n - h]) for h, n in zip(hits, sizes, strict=True)]
    within = sum(float(((g - g.mean()) ** 2).sum()) for g in groups) / (sizes.sum() - 40)
    between = within * stats.f_oneway(*groups).statistic
    typical = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / 39
    expected = (between - within) / (between + (typical - 1) * within)
    found = intraclass_correlation(hits.astype(float), sizes.astype(float))
    assert found == pytest.approx(expected)


def test_the_interval_holds_the_truth_where_the_naive_one_does_not() -> None:
    """300 cohorts of 30 subjects at ICC 0.6; `benchmarks/evaluate/coverage.py` runs 2 000."""
    inside = {"ours": 0, "naive": 0}
    for _ in range(300):
        sizes = RNG.integers(1, 5, 30)
        hits = RNG.binomial(sizes, RNG.beta(0.85 * 2 / 3, 0.15 * 2 / 3, 30)).astype(float)
        for name, found in (
            ("ours", clustered_proportion(hits, sizes.astype(float)).interval),
            ("naive", wilson(float(hits.sum()), float(sizes.sum()))),
        ):
            assert found.low is not None
            assert found.high is not None
            inside[name] += found.low <= 0.85 <= found.high
    assert inside["ours"] / 300 >= 0.90
    assert inside["naive"] / 300 <= 0.89


def test_equal_answers_within_subjects_widen_the_interval() -> None:
    sizes = np.full(40, 3.0)
    hits = np.where(np.arange(40) < 30, 3.0, 0.0)
    found, naive = clustered_proportion(hits, sizes), wilson(90.0, 120.0)
    assert found.interval.low is not None
    assert naive.low is not None
    assert found.interval.value == naive.value == 0.75
    assert found.interval.low < naive.low
    assert found.design_effect == pytest.approx(3 * 40 / 39)


def test_all_hits_leave_an_interval_that_counts_each_subject_once() -> None:
    found = clustered_proportion(np.full(20, 5.0), np.full(20, 5.0))
    t = stats.t.ppf(0.975, 19)
    effective = 20 * (stats.norm.ppf(0.975) / t) ** 2
    assert found.interval.high == 1.0
    assert found.interval.low == pytest.approx(effective / (effective + stats.norm.ppf(0.975) ** 2))


def test_the_bootstrap_repeats_itself_and_agrees_with_resampling_by_hand() -> None:
    hits = RNG.integers(0, 3, (50, 1)).astype(float)
    sizes = hits + RNG.integers(0, 2, (50, 1)).astype(float) + 1
    (found,) = bootstrap_ratios(hits, sizes, draws=2000)
    assert [found] == bootstrap_ratios(hits, sizes, draws=2000)
    other = np.random.default_rng(99)
    by_hand = []
    for _ in range(2000):
        pick = other.integers(0, 50, 50)
        by_hand.append(hits[pick].sum() / sizes[pick].sum())
    assert (found.low, found.high) == pytest.approx(np.quantile(by_hand, [0.025, 0.975]), abs=0.01)


def test_draws_take_as_many_subjects_as_there_are() -> None:
    chunks = list(draw_weights(7, draws=250))
    assert [len(chunk) for chunk in chunks] == [100, 100, 50]
    assert all((chunk.sum(axis=1) == 7).all() for chunk in chunks)


@pytest.mark.parametrize(("b", "c", "n"), [(1, 7, 21), (12, 2, 50), (0, 0, 20), (0, 5, 30)])
def test_tango_inverts_the_likelihood_score(b: int, c: int, n: int) -> None:
    """The nuisance parameter by numerical maximum likelihood, not by its closed form."""

    def score(difference: float) -> float:
        def loss(q: float) -> float:  # p21 = q, p12 = q + difference
            cells = (q + difference, q, 1 - 2 * q - difference)
            counts = (b, c, n - b - c)
            return -sum(k * math.log(max(p, 1e-300)) for k, p in zip(counts, cells, strict=True))

        low, high = max(0.0, -difference), (1 - difference) / 2
        q = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
        return (b - c - n * difference) / math.sqrt(n * (2 * q + difference * (1 - difference)))

    found = tango(b, c, n)
    assert found.low is not None
    assert found.high is not None
    assert score(found.low) == pytest.approx(stats.norm.ppf(0.975), abs=2e-3)
    assert score(found.high) == pytest.approx(-stats.norm.ppf(0.975), abs=2e-3)


def test_tango_turns_round_with_its_tests() -> None:
    one, other = tango(9, 3, 40), tango(3, 9, 40)
    assert other.low is not None
    assert other.high is not None
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert tango(5, 0, 5).high == 1.0


def test_the_interval_of_predictive_values_is_that_of_the_bootstrap() -> None:
    n = 600
    diseased = RNG.random(n) < 0.6
    first = np.where(diseased, RNG.random(n) < 0.9, RNG.random(n) < 0.3)
    second = np.where(RNG.random(n) < 0.7, first, RNG.random(n) < 0.5)
    found = compare_predictive_values(diseased, first, second).difference
    draws = []
    for _ in range(1500):
        pick = RNG.integers(0, n, n)
        d, a, b = diseased[pick], first[pick], second[pick]
        draws.append(d[a].mean() - d[b].mean())
    assert (found.low, found.high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.015)


def test_an_area_is_the_share_of_pairs_in_order_with_ties_one_half() -> None:
    scores = RNG.integers(0, 5, 80).astype(float)
    diseased = RNG.random(80) < 0.4
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, b in product(scores[diseased], scores[~diseased])
    ]
    assert area(scores, diseased).value == pytest.approx(np.mean(pairs))
    u = stats.mannwhitneyu(scores[diseased], scores[~diseased]).statistic
    assert area(scores, diseased).value == pytest.approx(u / len(pairs))


def test_delong_is_the_covariance_of_the_placements() -> None:
    scores = RNG.normal(size=(2, 40))
    diseased = np.arange(40) < 15
    kernel = np.array([[[float(a > b) for b in s[~diseased]] for a in s[diseased]] for s in scores])
    expected = np.cov(kernel.mean(axis=2)) / 15 + np.cov(kernel.mean(axis=1)) / 25
    assert delong(scores, diseased).covariance == pytest.approx(expected)


def test_a_perfect_area_has_no_interval_and_one_case_no_area() -> None:
    assert area(np.arange(10.0), np.arange(10) > 5) == Estimate(1.0)
    assert area(np.arange(3.0), np.array([True, False, False])) == Estimate(None)
    same = np.arange(10.0)
    assert compare_areas(same, same, np.arange(10) % 2 == 0).p_value is None


def test_the_area_below_the_points_is_the_area() -> None:
    scores, diseased = RNG.integers(0, 9, 100).astype(float), RNG.random(100) < 0.5
    points = roc_points(scores, diseased)
    x, y = [p[1] for p in points], [p[2] for p in points]
    assert np.trapezoid(y, x) == pytest.approx(area(scores, diseased).value)


def test_readers_with_no_difference_between_arms_get_an_f_of_nothing() -> None:
    figures = np.array([[0.8, 0.9, 0.85]] * 2)
    found = obuchowski_rockette(figures, np.full((6, 6), 1e-4) + np.eye(6) * 1e-4)
    assert found.rrrc.statistic == 0
    assert found.rrrc.p_value == pytest.approx(1.0)
    with pytest.raises(ValueError, match="two readers"):
        obuchowski_rockette(figures[:, :1], np.eye(2))


def brute_afroc(cases: list[CaseMarks], *, weighted: bool) -> float:
    total = weight = 0.0
    for lesion_case in cases:
        for lesion in lesion_case.lesions:
            w = 1 / len(lesion_case.lesions) if weighted else 1.0
            weight += w
            for case in cases:
                rival = max(case.false_marks, default=UNMARKED)
                total += w * (1.0 if lesion > rival else 0.5 if lesion == rival else 0.0)
    return total / (weight * len(cases))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_afroc_figure_and_its_jackknife_are_those_of_counting(weighted: bool) -> None:
    cases = [
        CaseMarks(
            tuple(float(x) if x > 1 else UNMARKED for x in RNG.integers(0, 9, RNG.integers(1, 4))),
            tuple(map(float, RNG.integers(0, 9, RNG.integers(0, 3)))),
        )
        for _ in range(15)
    ]
    value, without = afroc_figure(cases, weighted=weighted)
    assert value == pytest.approx(brute_afroc(cases, weighted=weighted))
    expected = [brute_afroc(cases[:i] + cases[i + 1 :], weighted=weighted) for i in range(15)]
    assert without == pytest.approx(expected)
    pseudo = 15 * value - 14 * np.array(expected)
    variance = jackknife_covariance(without[:, None])[0, 0]
    assert variance == pytest.approx(np.var(pseudo, ddof=1) / 15)


def test_a_froc_curve_counts_lesions_found_and_false_marks_per_case() -> None:
    cases = [CaseMarks((0.9, UNMARKED), (0.5,)), CaseMarks((0.4,), (0.8, 0.3))]
    points = {p.threshold: p for p in froc_curve(cases, draws=50)}
    assert points[0.9].sensitivity.value == pytest.approx(1 / 3)
    assert points[0.9].false_marks_per_case == 0
    assert points[0.4].sensitivity.value == pytest.approx(2 / 3)
    assert points[0.3].false_marks_per_case == 1.5
    assert froc_curve([], draws=5) == []


def test_begg_greenes_with_everybody_verified_is_the_naive_number() -> None:
    table = Verification(90, 10, 0, 20, 80, 0)
    found = begg_greenes(table)
    assert found.sensitivity.value == pytest.approx(90 / 110)
    assert found.specificity.value == pytest.approx(80 / 90)


@pytest.mark.parametrize("side", ["sensitivity", "specificity"])
def test_the_interval_of_begg_greenes_is_as_wide_as_its_draws_on_the_logit_scale(side: str) -> None:
    counts = np.array((231, 32, 166, 27, 54, 140)) * 4
    found = getattr(begg_greenes(Verification(*map(int, counts))), side)
    drawn = RNG.multinomial(counts.sum(), counts / counts.sum(), 6000)
    values = [getattr(begg_greenes(Verification(*map(int, row))), side).value for row in drawn]
    width = special.logit(found.high) - special.logit(found.low)
    assert width == pytest.approx(2 * 1.96 * np.std(special.logit(values)), rel=0.04)


def test_tipping_points_enclose_whatever_the_unverified_are() -> None:
    table = Verification(20, 5, 10, 4, 30, 8)
    low = if_all_unverified_healthy(table), if_all_unverified_diseased(table)
    sensitivities = sorted(one.sensitivity.value or 0 for one in low)
    assert sensitivities == pytest.approx(sorted([20 / 24, 30 / 42]))
    specificities = sorted(one.specificity.value or 0 for one in low)
    assert specificities == pytest.approx(sorted([38 / 53, 30 / 35]))


def test_nobody_verified_on_one_side_is_not_estimable() -> None:
    assert begg_greenes(Verification(5, 5, 0, 0, 0, 9)).sensitivity == Estimate(None)


def test_medians_have_the_interval_of_their_order_statistics() -> None:
    values = list(map(float, range(1, 21)))
    found = summarise(values)
    assert found.median.value == 10.5
    assert (found.median.low, found.median.high) == (6.0, 15.0)  # ranks 6 and 15 of 20: 95.9 %
    assert found.quartiles == (5.75, 15.25)
    assert summarise([3.0]).median == Estimate(3.0)
    assert summarise([]).median == Estimate(None)


def test_the_aid_is_told_from_the_period() -> None:
    pairs = [
        TimedPair(reader, first, aided, late)
        for reader, late in (("R1", True), ("R2", True), ("R3", False), ("R4", False))
        for first, aided in [
            # second reads are 20 % faster, the aid takes 10 % off
            (10.0, 10 * 0.9 * 0.8) if late else (10 * 0.8, 10 * 0.9)
        ]
    ]
    found = aid_effect(pairs)
    assert found.ratio.value == pytest.approx(0.9)
    assert found.period is not None
    assert found.period.value == pytest.approx(0.8)


def test_one_order_cannot_tell_the_aid_from_the_period() -> None:
    pairs = [TimedPair(f"R{i}", 10.0, 8.0 + i / 10, True) for i in range(4)]
    found = aid_effect(pairs)
    assert found.period is None
    expected = stats.ttest_1samp([math.log((8 + i / 10) / 10) for i in range(4)], 0)
    interval = expected.confidence_interval()
    assert found.ratio.low == pytest.approx(math.exp(interval.low))


def test_no_spread_gives_no_interval_and_never_one_of_no_width() -> None:
    everybody = obuchowski_rockette(np.full((2, 3), 0.9), np.zeros((6, 6)))
    assert [(one.low, one.high) for one in everybody.arms] == [(None, None)] * 2
    for test in (everybody.rrrc, everybody.frrc, everybody.rrfc):
        assert test.differences[0, 1] == Estimate(0.0)
    (hits,) = bootstrap_ratios(np.ones((5, 1)), np.ones((5, 1)))
    assert hits == Estimate(1.0)
    right = np.array([True, True, False])
    assert compare_predictive_values(right, right, right).difference == Estimate(0.0)
    same = [TimedPair(f"R{n}", 4.0, 2.0, bool(n % 2)) for n in range(4)]
    ratio = aid_effect(same).ratio
    assert (ratio.low, ratio.high) == (None, None)
    assert ratio.value == pytest.approx(0.5)
