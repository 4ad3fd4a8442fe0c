"""The published numbers that every estimator must give, to the digits they were printed with."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from tasks.evaluate.paired import compare_predictive_values, compare_proportions, tango
from tasks.evaluate.proportions import wilson
from tasks.evaluate.readers import ReaderAnalysis, jackknife_covariance, obuchowski_rockette
from tasks.evaluate.roc import compare_areas, delong
from tasks.evaluate.verification import Verification, begg_greenes, naive

_DATA_DEFAULT = Path(__file__).parents[4] / "shared" / "data" / "evaluation"
#: Paired1 of the R package DTComPair: diseased, then others; both, first only, second only, none.
PAIRED_1 = ((319, 78, 22, 32), (31, 53, 22, 155))


def van_dyke() -> tuple[np.ndarray, np.ndarray]:
    """Return scores (modalities, readers, cases) and who is diseased; see Van Dyke 1993."""
    path = Path(os.environ.get("LIVERCOHORT_EVALUATION_DATA", _DATA_DEFAULT)) / "van_dyke.csv"
    if not path.is_file():
        pytest.skip("van_dyke.csv is not there: set LIVERCOHORT_EVALUATION_DATA to its folder")
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    cases = sorted({row["case"] for row in rows})
    readers = sorted({row["reader"] for row in rows})
    scores = np.zeros((2, len(readers), len(cases)))
    diseased = np.zeros(len(cases), dtype=bool)
    for row in rows:
        case = cases.index(row["case"])
        scores[int(row["modality"]) - 1, readers.index(row["reader"]), case] = float(row["score"])
        diseased[case] = row["diseased"] == "1"
    return scores, diseased


def analysis_of_van_dyke() -> ReaderAnalysis:
    scores, diseased = van_dyke()
    flat = scores.reshape(10, -1)
    without = [
        delong(np.delete(flat, case, axis=1), np.delete(diseased, case)).values
        for case in range(flat.shape[1])
    ]
    figures = delong(flat, diseased).values.reshape(2, 5)
    return obuchowski_rockette(figures, jackknife_covariance(np.array(without)))


def test_obuchowski_rockette_of_van_dyke_is_the_output_of_or_dbm_mrmc_2_51() -> None:
    found = analysis_of_van_dyke()
    assert found.means == pytest.approx((0.89703704, 0.94083736), abs=5e-9)
    assert found.means[0] - found.means[1] == pytest.approx(-0.04380032, abs=5e-9)
    terms = (found.terms.var, found.terms.cov1, found.terms.cov2, found.terms.cov3)
    assert terms == pytest.approx((0.00080229, 0.00034661, 0.00034407, 0.00023903), abs=5.1e-9)
    assert found.rrrc.statistic == pytest.approx(4.46, abs=0.005)
    assert found.rrrc.df2 == pytest.approx(15.26, abs=0.005)
    assert found.rrrc.p_value == pytest.approx(0.0517, abs=5e-5)
    interval = found.rrrc.differences[0, 1]
    assert (interval.low, interval.high) == pytest.approx((-0.08796, 0.00036), abs=5e-6)
    assert found.frrc.statistic == pytest.approx(5.47595, abs=5e-6)
    assert found.frrc.p_value == pytest.approx(0.0193, abs=5e-5)
    assert found.rrfc.statistic == pytest.approx(8.70, abs=0.005)
    assert found.rrfc.p_value == pytest.approx(0.0420, abs=5e-5)


def test_delong_of_the_first_reader_of_van_dyke() -> None:
    scores, diseased = van_dyke()
    found = compare_areas(scores[1, 0], scores[0, 0], diseased)
    assert found.z == pytest.approx(1.111081, abs=5e-7)
    assert found.p_value == pytest.approx(0.266533, abs=5e-7)
    assert found.variance == pytest.approx(0.00064328, abs=5e-9)


def test_begg_greenes_of_hepatic_scintigraphy() -> None:
    table = Verification(231, 32, 166, 27, 54, 140)
    assert table.positives + table.negatives == 650
    assert naive(table).sensitivity.value == pytest.approx(0.8953, abs=5e-5)
    assert naive(table).specificity.value == pytest.approx(0.6279, abs=5e-5)
    corrected = begg_greenes(table)
    assert corrected.sensitivity.value == pytest.approx(0.8365, abs=5e-5)
    assert corrected.specificity.value == pytest.approx(0.7384, abs=5e-5)


def test_one_test_of_paired_1() -> None:
    found = wilson(397, 451)
    assert found.value == pytest.approx(0.8802661, abs=5e-8)
    assert (found.low, found.high) == pytest.approx((0.8470466, 0.9070623), abs=5e-8)
    assert wilson(177, 261).value == pytest.approx(0.6781609, abs=5e-8)
    assert wilson(397, 481).value == pytest.approx(0.8253638, abs=5e-8)
    assert wilson(177, 231).value == pytest.approx(0.7662338, abs=5e-8)


def paired_1() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counts = [n for part in PAIRED_1 for n in part]
    diseased = np.repeat([True] * 4 + [False] * 4, counts)
    first = np.repeat([True, True, False, False] * 2, counts)
    second = np.repeat([True, False, True, False] * 2, counts)
    return diseased, first, second


def test_weighted_generalised_score_of_paired_1_is_the_output_of_dtcompair() -> None:
    diseased, first, second = paired_1()
    ppv = compare_predictive_values(diseased, second, first)
    assert ppv.difference.value == pytest.approx(0.04011841, abs=5e-9)
    assert ppv.statistic == pytest.approx(5.46588745, abs=5e-9)
    assert ppv.p_value == pytest.approx(0.01939120, abs=5e-9)
    npv = compare_predictive_values(~diseased, ~second, ~first)
    assert npv.difference.value == pytest.approx(-0.1121457, abs=5e-8)
    assert npv.statistic == pytest.approx(16.53540, abs=5e-6)
    assert npv.p_value == pytest.approx(4.775012e-05, abs=5e-12)


def test_tango_of_bentur_is_as_fagerland_prints_it() -> None:
    """Fagerland, Lydersen & Laake 2014, Stat Med 33:2850: 1, 1, 7, 12 children."""
    found = tango(1, 7, 21)
    assert (found.low, found.high) == pytest.approx((-0.517, -0.026), abs=5e-4)


def test_exact_mcnemar_is_the_binomial_test_of_the_discordant_pairs() -> None:
    from scipy.stats import binomtest

    diseased, first, second = paired_1()
    found = compare_proportions(first[diseased], second[diseased])
    assert found.p_value == pytest.approx(binomtest(78, 100).pvalue, rel=1e-9)
    assert found.difference.value == pytest.approx((78 - 22) / 451)
