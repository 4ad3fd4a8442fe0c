"""Rows that runs and reader studies have in common: the head, curves, cross-tables. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tasks.evaluate.bootstrap import DRAWS, SEED
from tasks.evaluate.cohort import Cohort, Subject
from tasks.evaluate.froc import FrocPoint
from tasks.evaluate.proportions import Estimate
from tasks.evaluate.rows import Row
from tasks.evaluate.rules import Decided
from tasks.evaluate.run_files import RunFiles

Tables = dict[str, list[Row]]


def evaluation_row(
    name: str,
    kind: str,
    cohort: Cohort,
    decided: Decided,
    exploratory: Sequence[str],
    run: RunFiles | None,
) -> Row:
    """Return the row of `evaluation`."""
    document = run.document if run else None
    return {
        "evaluation_id": name,
        "kind": kind,
        "release": cohort.version,
        "release_sums_sha256": cohort.sums_sha256,
        "model_name": document.model_name if document else None,
        "model_version": document.model_version if document else None,
        "weights_sha256": document.weights_sha256 if document else None,
        "container_digest": document.container_digest if document else None,
        "threshold": float(document.threshold) if document else None,
        "threshold_prespecified": document.threshold_prespecified if document else None,
        "exploratory": bool(exploratory),
        "exploratory_reasons": list(exploratory),
        "matching_rule": decided.matching.name,
        "matching_decided": decided.matching.decided,
        "misdiagnosis_definition": decided.misdiagnosis,
        "analysis_plan_signed": decided.plan_signed,
        "n_draws": DRAWS,
        "seed": SEED,
    }


def centroid_cells(place: tuple[float, float, float]) -> Row:
    """Return a place (LPS, mm) as its three cells."""
    return {f"centroid_lps_{axis}_mm": value for axis, value in zip("xyz", place, strict=True)}


def roc_rows(points: Iterable[tuple[float, float, float]], arm: str, reader: str) -> Iterator[Row]:
    """Yield the points of a ROC curve."""
    for number, (threshold, x, y) in enumerate(points, start=1):
        finite = threshold if threshold != float("inf") else None
        yield _point("roc", arm, reader, number, finite, x, Estimate(y))


def froc_rows(points: Iterable[FrocPoint], arm: str, reader: str) -> Iterator[Row]:
    """Yield the points of a FROC curve."""
    for number, one in enumerate(points, start=1):
        x, y = one.false_marks_per_case, one.sensitivity
        yield _point("froc", arm, reader, number, one.threshold, x, y)


def _point(
    kind: str, arm: str, reader: str, number: int, threshold: float | None, x: float, y: Estimate
) -> Row:
    return {
        "kind": kind,
        "arm": arm,
        "reader_id": reader,
        "point_no": number,
        "threshold": threshold,
        "x": x,
        "y": y.value,
        "ci_low": y.low,
        "ci_high": y.high,
    }


def cross_rows(
    pairs: Iterable[tuple[Subject, str]], reading: str, arm: str, reader: str
) -> Iterator[Row]:
    """Yield the cells of a cross-table of eligible subjects that hold somebody."""
    counts = Counter(
        (call, subject.reference) for subject, call in pairs if subject.is_eligible(reading)
    )
    for (call, reference), n in sorted(counts.items()):
        yield {
            "reading": reading,
            "arm": arm,
            "reader_id": reader,
            "result": call,
            "reference": reference,
            "n": n,
        }


def unique_rows(rows: Iterable[Row], *, exploratory: bool) -> list[Row]:
    """Return every row once, saying whether it is of an exploratory evaluation."""
    keys = ("unit", "measure", "arm", "reader_id", "reading", "analysis", "subset_by", "subset")
    found = {tuple(row[k] for k in (*keys, "method")): row for row in rows}
    return [{**row, "exploratory": exploratory} for row in found.values()]
