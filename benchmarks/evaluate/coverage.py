"""Coverage of the 95 % intervals by simulation: lesions in subjects, and readers x cases.

Run: PYTHONPATH=. python benchmarks/evaluate/coverage.py [--runs 2000] [--only lesions|readers]

Lesions: 30 and 200 subjects of 1 to 4 lesions, true proportion .85, beta-binomial at ICC 0, .3 and
.6. Beside the interval that is published: the bootstrap over subjects, and the naive one that
takes lesions for independent. Readers: 5 readers, 2 arms, 60 + 60 cases, the equal-variance
binormal model of Roe & Metz 1997 (Acad Radiol 4:298) with the components below, AUC .855.
"""

from __future__ import annotations

import argparse
import resource

import numpy as np
from scipy.stats import norm

from tasks.evaluate.bootstrap import bootstrap_ratios
from tasks.evaluate.proportions import Estimate, clustered_proportion, wilson
from tasks.evaluate.readers import jackknife_covariance, obuchowski_rockette
from tasks.evaluate.roc import delong

TRUE, READERS, CASES = 0.85, 5, 60
#: Variances of reader, case, arm x reader, arm x case, reader x case, and error.
R, C, TR, TC, RC, ERROR = 0.0055, 0.3, 0.0055, 0.3, 0.2, 0.2


def covers(found: Estimate, truth: float) -> bool:
    """Return whether an interval holds the truth."""
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def lesions(runs: int) -> None:
    """Print the coverage of the three intervals at each ICC and number of subjects."""
    print(f"{'ICC':>5}{'subjects':>10}{'published':>11}{'bootstrap':>11}{'naive':>8}{'width':>8}")
    for icc in (0.0, 0.3, 0.6):
        for subjects in (30, 200):
            draw = np.random.default_rng(round(1000 * icc) + subjects)
            inside = np.zeros(3)
            width = 0.0
            for number in range(runs):
                sizes = draw.integers(1, 5, subjects)
                chance = np.full(subjects, TRUE)
                if icc:
                    scale = (1 - icc) / icc
                    chance = draw.beta(TRUE * scale, (1 - TRUE) * scale, subjects)
                hits = draw.binomial(sizes, chance).astype(float)
                whole = sizes.astype(float)
                ours = clustered_proportion(hits, whole).interval
                (boot,) = bootstrap_ratios(hits[:, None], whole[:, None], 400, number)
                # What one gets who takes lesions for independent.
                naive = wilson(float(hits.sum()), float(whole.sum()))
                inside += [covers(one, TRUE) for one in (ours, boot, naive)]
                width += (ours.high or 0) - (ours.low or 0)
            shares = inside / runs
            print(f"{icc:>5.1f}{subjects:>10}", *(f"{s:>10.3f}" for s in shares), end="")
            print(f"{width / runs:>8.3f}", flush=True)


def readers(runs: int) -> None:
    """Print the coverage of the difference of two arms without one, and of the mean of an arm."""
    separation = norm.ppf(0.855) * np.sqrt(2 * (C + TC + RC + ERROR + R + TR))
    draw = np.random.default_rng(11)
    diseased = np.arange(2 * CASES) < CASES
    kinds = {"rrrc": 0, "frrc": 0, "arm": 0}
    for _ in range(runs):
        scores = _scores(draw, separation, diseased)
        flat = scores.reshape(2 * READERS, -1)
        whole = delong(flat, diseased).values.reshape(2, READERS)
        found = obuchowski_rockette(whole, _jackknife(flat, diseased))
        kinds["rrrc"] += covers(found.rrrc.differences[0, 1], 0.0)
        kinds["frrc"] += covers(found.frrc.differences[0, 1], 0.0)
        kinds["arm"] += covers(found.arms[0], 0.855)
    for name, inside in kinds.items():
        print(f"readers x cases, {name:<6}{inside / runs:>8.3f}")


def _scores(draw: np.random.Generator, separation: float, diseased: np.ndarray) -> np.ndarray:
    n = len(diseased)

    def effect(variance: float, *shape: int) -> np.ndarray:
        return draw.normal(0, np.sqrt(variance), shape)

    # Readers differ for diseased and others, as in the model: one effect for each truth state.
    of_truth = diseased.astype(int)
    reader = effect(R, 1, READERS, 2)[:, :, of_truth] + effect(TR, 2, READERS, 2)[:, :, of_truth]
    cases = effect(C, 1, 1, n) + effect(TC, 2, 1, n) + effect(RC, 1, READERS, n)
    return separation * diseased + reader + cases + effect(ERROR, 2, READERS, n)


def _jackknife(scores: np.ndarray, diseased: np.ndarray) -> np.ndarray:
    """Return the jackknife covariance of areas, from the pairs rather than case by case."""
    above = scores[:, diseased][:, :, None] > scores[:, ~diseased][:, None, :]
    total = above.sum(axis=(1, 2))[:, None]
    m, n = above.shape[1], above.shape[2]
    without = np.hstack(
        [
            (total - above.sum(axis=2)) / ((m - 1) * n),
            (total - above.sum(axis=1)) / (m * (n - 1)),
        ]
    )
    return jackknife_covariance(without.T)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--only", choices=("lesions", "readers"))
    asked = parser.parse_args()
    if asked.only != "readers":
        lesions(asked.runs)
    if asked.only != "lesions":
        readers(asked.runs)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{used.ru_utime + used.ru_stime:.0f} CPU s")


if __name__ == "__main__":
    main()
