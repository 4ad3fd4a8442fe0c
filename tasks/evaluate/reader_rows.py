"""The outcomes of readers: each alone, aided against unaided, the AI system beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.cohort import LITERAL, READINGS, Subject
from tasks.evaluate.paired import compare_predictive_values, compare_proportions
from tasks.evaluate.patients import (
    ONLY_CONCLUSIVE,
    Result,
    cells_of,
    measures_in_force,
    proportion_rows,
)
from tasks.evaluate.proportions import Estimate
from tasks.evaluate.reader_files import AIDED, UNAIDED, Read
from tasks.evaluate.roc import area, compare_areas, delong
from tasks.evaluate.rows import AI, ALL, MAIN, Key, Row, comparison_row, estimate_row
from tasks.evaluate.rules import Decided
from tasks.evaluate.times import TimedPair, aid_effect, summarise

Flags = NDArray[np.bool_]
Matrix = NDArray[np.float64]
NOT_READ = "not_read"
#: An aided read minus an unaided one; the AI system minus a reader.
AID_DIFFERENCE = f"{AIDED} - {UNAIDED}"


@dataclass(frozen=True)
class Panel:
    """The reads of one reading's analysis set as arrays.

    `calls` is `(arms, readers, cases)`; `not_read` stands where a reader missed a case. `scores`
    is NaN there and where no score was given.
    """

    arms: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    malignant: Flags
    calls: NDArray[np.str_]
    scores: Matrix


def read_panel(reads: Sequence[Read], subjects: Mapping[str, Subject], reading: str) -> Panel:
    """Return the reads of the subjects that are eligible and proven under a reading."""
    ours = [
        read
        for read in reads
        if (subject := subjects[read.subject_id]).is_eligible(reading)
        and subject.proven is not None
    ]
    arms = tuple(a for a in (UNAIDED, AIDED) if any(read.arm == a for read in reads))
    readers = tuple(sorted({read.reader for read in reads}))
    cases = tuple(sorted({read.subject_id for read in ours}))
    calls = np.full((len(arms), len(readers), len(cases)), NOT_READ, dtype="U16")
    scores = np.full(calls.shape, np.nan)
    for read in ours:
        at = arms.index(read.arm), readers.index(read.reader), cases.index(read.subject_id)
        calls[at] = read.call
        scores[at] = np.nan if read.score is None else read.score
    malignant = np.array([bool(subjects[case].proven) for case in cases], dtype=bool)
    return Panel(arms, readers, cases, malignant, calls, scores)


def reader_estimates(
    reads: Sequence[Read],
    subjects: Mapping[str, Subject],
    index: Mapping[str, Result],
    decided: Decided,
) -> Iterator[Row]:
    """Yield the estimates of single readers.

    Parameters
    ----------
    reads : sequence of Read
        All reads of the study.
    subjects : mapping
        Subjects of the release.
    index : mapping
        Results of the AI system by subject; {} where no run stands beside the readers.
    decided : Decided
        Decisions in force.
    """
    for reading in READINGS:
        panel = read_panel(reads, subjects, reading)
        shared = _within(panel, index)
        for a, arm in enumerate(panel.arms):
            for r, reader in enumerate(panel.readers):
                yield from _one_reader(panel, a, r, reading, decided)
                if index:
                    key: Key = {"arm": f"{AI} - {arm}", "reader_id": reader, "reading": reading}
                    yield from _difference(
                        shared, _of_index(shared, index), _of_reader(shared, a, r), key, decided
                    )
        if panel.arms == (UNAIDED, AIDED):
            for r, reader in enumerate(panel.readers):
                key = {"arm": AID_DIFFERENCE, "reader_id": reader, "reading": reading}
                aided, unaided = _of_reader(panel, 1, r), _of_reader(panel, 0, r)
                yield from _difference(panel, aided, unaided, key, decided)
    yield from _times([r for r in reads if subjects[r.subject_id].is_eligible(LITERAL)])


@dataclass(frozen=True)
class _Test:
    """One test of the cases: its calls, and its scores (NaN where none)."""

    calls: NDArray[np.str_]
    scores: Matrix


def _of_reader(panel: Panel, arm: int, reader: int) -> _Test:
    return _Test(panel.calls[arm, reader], panel.scores[arm, reader])


def _within(panel: Panel, index: Mapping[str, Result]) -> Panel:
    """Return the cases that the run has a row of: the others it was never asked about."""
    at = np.array([case in index for case in panel.cases], dtype=bool)
    return replace(
        panel,
        cases=tuple(case for case in panel.cases if case in index),
        malignant=panel.malignant[at],
        calls=panel.calls[:, :, at],
        scores=panel.scores[:, :, at],
    )


def _of_index(panel: Panel, index: Mapping[str, Result]) -> _Test:
    found = [index[case] for case in panel.cases]
    calls = np.array([one.outcome for one in found], dtype="U16")
    scores = [one.row.score for one in found]
    return _Test(calls, np.array([np.nan if s is None else s for s in scores], dtype=float))


def _one_reader(
    panel: Panel, arm: int, reader: int, reading: str, decided: Decided
) -> Iterator[Row]:
    test = _of_reader(panel, arm, reader)
    where = {"arm": panel.arms[arm], "reader_id": panel.readers[reader], "reading": reading}
    for analysis in (MAIN, ONLY_CONCLUSIVE):
        cells = cells_of(panel.malignant, test.calls, analysis)
        measures = measures_in_force(decided.misdiagnosis)
        yield from proportion_rows(cells, {**where, "analysis": analysis}, measures)
    scored = np.isfinite(test.scores)
    missing = int((~scored).sum())
    yield estimate_row(
        {**where, "measure": "auc", "method": "delong_logit"},  # type: ignore[typeddict-item]
        area(test.scores[scored], panel.malignant[scored]),
        n_clusters=int(scored.sum()),
        note=f"{missing} without a score are left out" if missing else None,
    )


def right_answers(panel: Panel, calls: NDArray[np.str_]) -> Flags:
    """Return which calls are right; no answer is wrong."""
    right: Flags = np.where(panel.malignant, calls == "positive", calls == "negative")
    return right


def _difference(
    panel: Panel, first: _Test, second: _Test, key: Key, decided: Decided
) -> Iterator[Row]:
    right = [right_answers(panel, test.calls) for test in (first, second)]
    for measure, who in (
        ("sensitivity", panel.malignant),
        ("specificity", ~panel.malignant),
        ("accuracy", np.ones(len(panel.cases), dtype=bool)),
    ):
        found = compare_proportions(right[0][who], right[1][who])
        own: Key = {**key, "measure": measure, "method": "tango_exact_mcnemar"}
        yield comparison_row(own, found, p_values=decided.plan_signed)
    positive = [np.where(panel.malignant, ok, ~ok) for ok in right]  # no answer counts as wrong
    for measure, truth, calls in (
        ("ppv", panel.malignant, positive),
        ("npv", ~panel.malignant, [~one for one in positive]),
    ):
        compared = compare_predictive_values(truth, calls[0], calls[1])
        own = {**key, "measure": measure, "method": "weighted_generalised_score"}
        yield comparison_row(own, compared, p_values=decided.plan_signed)
    yield _area_difference(panel, first, second, key, decided)


def _area_difference(panel: Panel, first: _Test, second: _Test, key: Key, decided: Decided) -> Row:
    own: Key = {**key, "measure": "auc", "method": "delong"}
    both = np.isfinite(first.scores) & np.isfinite(second.scores)
    malignant = panel.malignant[both]
    if malignant.sum() < 2 or (~malignant).sum() < 2:
        return estimate_row(own, Estimate(None), n_clusters=int(both.sum()))
    found = compare_areas(first.scores[both], second.scores[both], malignant)
    shown = decided.plan_signed
    return estimate_row(
        own,
        found.difference,
        n_clusters=int(both.sum()),
        statistic=found.z if shown else None,
        p_value=found.p_value if shown else None,
    )


def _times(reads: Sequence[Read]) -> Iterator[Row]:
    arms = sorted({read.arm for read in reads})
    readers = sorted({read.reader for read in reads})
    for arm in arms:
        for reader in (ALL, *readers):
            ours = [r.minutes for r in reads if r.arm == arm and reader in (ALL, r.reader)]
            found = summarise(ours)
            yield estimate_row(
                {
                    "unit": "read",
                    "measure": "reading_minutes",
                    "arm": arm,
                    "reader_id": reader,
                    "method": "median_order_statistics",
                },
                # Reads of one reader resemble each other: over readers there is no such interval.
                found.median if reader != ALL else Estimate(found.median.value),
                n_clusters=found.n,
                note=f"quartiles {found.quartiles[0]:.3g} to {found.quartiles[1]:.3g} min"
                if found.quartiles
                else None,
            )
    effect = aid_effect(timed_pairs(reads))
    for measure, value in (
        ("reading_time_ratio", effect.ratio),
        ("period_ratio", effect.period),
        ("carry_over_ratio", effect.carry_over),
    ):
        yield estimate_row(
            {
                "unit": "read",
                "measure": measure,
                "arm": f"{AIDED} / {UNAIDED}",
                "reader_id": ALL,
                "method": "crossover_log_ratio",
            },
            value or Estimate(None),
            n_clusters=effect.n_readers,
            note=f"{effect.n_pairs} pairs of reads",
        )


def timed_pairs(reads: Sequence[Read]) -> list[TimedPair]:
    """Return the cases that a reader read in both arms."""
    by_arm = {(read.reader, read.subject_id, read.arm): read for read in reads}
    pairs = []
    for (reader, case, arm), aided in sorted(by_arm.items()):
        unaided = by_arm.get((reader, case, UNAIDED))
        if arm == AIDED and unaided is not None:
            late = aided.started > unaided.started
            pairs.append(TimedPair(reader, unaided.minutes, aided.minutes, late))
    return pairs


def complete_cases(panel: Panel) -> NDArray[np.int64]:
    """Return which cases have a score of every reader in every arm."""
    return np.flatnonzero(np.isfinite(panel.scores).all(axis=(0, 1)))


def areas_without_each_case(panel: Panel, cases: NDArray[np.int64]) -> tuple[Matrix, Matrix]:
    """Return the areas `(arms, readers)`, and flattened without each case `(cases, areas)`."""
    scores = panel.scores[:, :, cases].reshape(-1, len(cases))
    malignant = panel.malignant[cases]
    whole = delong(scores, malignant).values.reshape(panel.scores.shape[:2])
    without = [
        delong(np.delete(scores, at, axis=1), np.delete(malignant, at)).values
        for at in range(len(cases))
    ]
    return whole, np.array(without)
