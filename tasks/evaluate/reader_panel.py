"""Readers x cases: what the aid does to readers in general (Obuchowski-Rockette). Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.cohort import READINGS, Subject
from tasks.evaluate.froc import CaseMarks, afroc_figure
from tasks.evaluate.proportions import Estimate, Z, with_margin
from tasks.evaluate.reader_files import AIDED, UNAIDED, Read
from tasks.evaluate.reader_rows import (
    AID_DIFFERENCE,
    Panel,
    areas_without_each_case,
    complete_cases,
    read_panel,
    right_answers,
)
from tasks.evaluate.readers import ReaderAnalysis, jackknife_covariance, obuchowski_rockette
from tasks.evaluate.rows import ALL, Key, Row, estimate_row
from tasks.evaluate.rules import Decided

Matrix = NDArray[np.float64]
_LEAST = 3
TOO_FEW = "needs two arms, two readers, and three malignant and three benign cases read by all"


def panel_estimates(
    reads: Sequence[Read], subjects: Mapping[str, Subject], decided: Decided
) -> Iterator[Row]:
    """Yield area, sensitivity and specificity over readers, per arm and as a difference."""
    for reading in READINGS:
        panel = read_panel(reads, subjects, reading)
        cases = complete_cases(panel)
        malignant = panel.malignant[cases]
        enough = min(malignant.sum(), (~malignant).sum()) >= _LEAST
        key: Key = {"measure": "auc", "reading": reading}
        if enough and min(panel.scores.shape[:2]) > 1:
            whole, without = areas_without_each_case(panel, cases)
            left_out = len(panel.cases) - len(cases)
            note = f"{left_out} cases not scored by everybody are left out" if left_out else None
            yield from analysis_rows(whole, without, key, decided, note)
        else:
            yield estimate_row(_whole(key), Estimate(None), n_clusters=len(cases), note=TOO_FEW)
        yield from _proportions(panel, reading, decided)


def _whole(key: Key) -> Key:
    return {**key, "arm": AID_DIFFERENCE, "reader_id": ALL, "method": "obuchowski_rockette_rrrc"}


def _proportions(panel: Panel, reading: str, decided: Decided) -> Iterator[Row]:
    right = right_answers(panel, panel.calls)
    for measure, who in (("sensitivity", panel.malignant), ("specificity", ~panel.malignant)):
        key: Key = {"measure": measure, "reading": reading}
        ours = right[:, :, who].astype(float)
        n = ours.shape[2]
        if n < _LEAST or min(ours.shape[:2]) < 2:
            yield estimate_row(_whole(key), Estimate(None), n_clusters=n, note=TOO_FEW)
            continue
        sums = ours.sum(axis=2)
        without = (sums[:, :, None] - ours) / (n - 1)
        yield from analysis_rows(sums / n, without.reshape(-1, n).T, key, decided)


def localisation_rows(
    cases: Mapping[tuple[str, str], Sequence[CaseMarks]], decided: Decided
) -> Iterator[Row]:
    """Yield the alternative FROC figure over readers, and of each reader.

    Parameters
    ----------
    cases : mapping
        For each (arm, reader) the same subjects in the same order.
    decided : Decided
        Decisions in force.
    """
    arms = [a for a in (UNAIDED, AIDED) if any(key[0] == a for key in cases)]
    readers = sorted({reader for _, reader in cases})
    found = {key: afroc_figure(marks) for key, marks in cases.items() if len(marks) >= _LEAST}
    found = {key: one for key, one in found.items() if np.isfinite(one[1]).all()}
    for (arm, reader), (value, without) in sorted(found.items()):
        variance = float(jackknife_covariance(without[:, None])[0, 0])
        half = Z * math.sqrt(variance)
        yield estimate_row(
            {
                "unit": "lesion",
                "measure": "afroc1_figure",
                "arm": arm,
                "reader_id": reader,
                "method": "jackknife",
            },
            with_margin(value, half, 0.0, 1.0),
            n_clusters=len(without),
        )
    wanted = [(arm, reader) for arm in arms for reader in readers]
    if len(arms) > 1 and len(readers) > 1 and all(key in found for key in wanted):
        whole = np.array([found[key][0] for key in wanted]).reshape(len(arms), len(readers))
        without = np.column_stack([found[key][1] for key in wanted])
        key: Key = {"unit": "lesion", "measure": "afroc1_figure"}
        yield from analysis_rows(whole, without, key, decided)


def analysis_rows(
    whole: Matrix, without: Matrix, key: Key, decided: Decided, note: str | None = None
) -> Iterator[Row]:
    """Yield an analysis of two arms as rows: means of the arms, and the difference three ways."""
    analysis = obuchowski_rockette(whole, jackknife_covariance(without))
    for arm, found in zip((UNAIDED, AIDED), analysis.arms, strict=True):
        yield estimate_row(
            {**key, "arm": arm, "reader_id": ALL, "method": "obuchowski_rockette_rrrc"},
            found,
            n_clusters=len(without),
            note=note,
        )
    yield from _differences(analysis, key, decided, len(without), note)


def _differences(
    analysis: ReaderAnalysis, key: Key, decided: Decided, n: int, note: str | None
) -> Iterator[Row]:
    for name, test in (("rrrc", analysis.rrrc), ("frrc", analysis.frrc), ("rrfc", analysis.rrfc)):
        gap = test.differences[0, 1]
        turned = Estimate(*(None if e is None else -e for e in (gap.value, gap.high, gap.low)))
        shown = decided.plan_signed
        yield estimate_row(
            {**_whole(key), "method": f"obuchowski_rockette_{name}"},
            turned,
            n_clusters=n,
            statistic=test.statistic if shown else None,
            p_value=test.p_value if shown else None,
            note=note,
        )
