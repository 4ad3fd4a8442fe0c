"""An index-test run as tables: rows of every contract. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.evaluate.cohort import READINGS, Cohort
from tasks.evaluate.flow import flow_rows
from tasks.evaluate.froc import froc_curve
from tasks.evaluate.lesions import (
    NO_LESIONS,
    NO_PLACE,
    MatchedSubject,
    case_marks,
    lesion_estimates,
    match_subject,
)
from tasks.evaluate.masks import Mask
from tasks.evaluate.matching import Matching, Method, Rule
from tasks.evaluate.patients import Result, patient_estimates, patient_roc
from tasks.evaluate.places import Places
from tasks.evaluate.proportions import Estimate
from tasks.evaluate.rows import AI, NOBODY, Key, Row, estimate_row
from tasks.evaluate.rules import Decided
from tasks.evaluate.run_files import LesionRow, RunFiles
from tasks.evaluate.table_rows import (
    Tables,
    centroid_cells,
    cross_rows,
    evaluation_row,
    froc_rows,
    roc_rows,
    unique_rows,
)


@dataclass(frozen=True)
class GivenMasks:
    """Masks of the predictions by line of `lesions.csv`, and the hashes of their files."""

    by_line: Mapping[int, Mask]
    sha256: Mapping[int, str]


def run_results(run: RunFiles, cohort: Cohort) -> list[Result]:
    """Return every row of the run with its subject."""
    return [Result(cohort.subjects[row.subject_id], row) for row in run.patients]


def evaluate_run(
    run: RunFiles,
    cohort: Cohort,
    decided: Decided,
    places: Places,
    masks: GivenMasks,
    exploratory: Sequence[str],
) -> Tables:
    """Return the tables of an index-test run.

    Parameters
    ----------
    run : RunFiles
        A run that was admitted.
    cohort : Cohort
        The release it names.
    decided : Decided
        Decisions in force in that release.
    places : Places
        Where the reference lesions lie.
    masks : GivenMasks
        Masks of the predictions.
    exploratory : sequence of str
        What makes the run exploratory.

    Raises
    ------
    OtherGridError
        If two masks that are to be compared lie on different grids.
    """
    results = run_results(run, cohort)
    places = places if run.lesions_given else Places()
    matched = _matched(run, results, decided, places, masks)
    primary = matched[decided.matching.name]
    rows = [*patient_estimates(results, decided.misdiagnosis)]
    if any(one.matching is not None for one in primary):
        rows += lesion_estimates(matched, decided.matching, decided.misdiagnosis)
    else:
        rows += _no_lesions(NO_PLACE if run.lesions_given else NO_LESIONS)
    froc = froc_curve(case_marks(primary))
    return {
        "evaluation": [evaluation_row(run.name, "index_run", cohort, decided, exploratory, run)],
        "index_result": _index_results(run, cohort),
        "index_lesion": [row for one in primary for row in _index_lesions(one, masks, decided)],
        "estimate": unique_rows(rows, exploratory=bool(exploratory)),
        "curve_point": [
            *roc_rows(patient_roc(results), AI, NOBODY),
            *froc_rows(froc, AI, NOBODY),
        ],
        "cross_table": list(_cross_rows(results)),
        "evaluation_flow": list(flow_rows(cohort, results)),
    }


def _matched(
    run: RunFiles, results: Sequence[Result], decided: Decided, places: Places, masks: GivenMasks
) -> dict[str, list[MatchedSubject]]:
    predictions: dict[str, list[LesionRow]] = defaultdict(list)
    for row in run.lesions:
        predictions[row.subject_id].append(row)
    rules: dict[str, Rule] = {decided.matching.name: decided.matching.primary}
    if places.masks and len(masks.by_line) == len(run.lesions):
        rules |= decided.matching.others
    else:  # a prediction without a mask overlaps with nothing, and would count as false
        others = decided.matching.others.items()
        rules |= {name: rule for name, rule in others if rule.method is Method.CENTROID}
    found: dict[str, list[MatchedSubject]] = {}
    for name, rule in rules.items():
        found[name] = []
        for result in results:
            ours = predictions[result.subject.subject_id]
            given = {
                number: masks.by_line[one.line]
                for number, one in enumerate(ours)
                if one.line in masks.by_line
            }
            threshold = run.document.threshold
            found[name].append(match_subject(result, ours, places, given, rule, threshold))
    return found


def _no_lesions(note: str) -> Iterator[Row]:
    for reading in READINGS:
        for measure in ("detection_rate", "sensitivity", "specificity", "ppv", "npv"):
            key: Key = {"unit": "lesion", "measure": measure, "reading": reading, "method": "none"}
            yield estimate_row(key, Estimate(None), note=note)


def _index_results(run: RunFiles, cohort: Cohort) -> list[Row]:
    inputs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in sorted(run.document.inputs, key=lambda i: i.volume_id):
        inputs[cohort.volumes[one.volume_id].subject_id].append((one.volume_id, one.sha256))
    return [
        {
            "subject_id": row.subject_id,
            "run_status": row.run_status,
            "patient_score": row.score,
            "patient_call": row.call,
            "inference_seconds": row.seconds,
            "input_volume_ids": [volume for volume, _ in inputs[row.subject_id]],
            "input_sha256": [digest for _, digest in inputs[row.subject_id]],
        }
        for row in run.patients
    ]


def _index_lesions(one: MatchedSubject, masks: GivenMasks, decided: Decided) -> Iterator[Row]:
    by_overlap = decided.matching.primary.method is Method.OVERLAP
    for place, row in enumerate(one.predictions):
        verdict, lesion, quality = _outcome_of(one.matching, place)
        yield {
            "subject_id": row.subject_id,
            "pred_lesion_no": row.number,
            **centroid_cells(row.centroid),
            "volume_mm3": row.volume_mm3,
            "score": row.score,
            "probability_classes": sorted(row.probabilities),
            "probabilities": [row.probabilities[name] for name in sorted(row.probabilities)],
            "positive": one.positive[place],
            "mask_sha256": masks.sha256.get(row.line),
            "matched_lesion_id": lesion,
            "match_iou": quality if by_overlap else None,
            "match_distance_mm": None if by_overlap else quality,
            "verdict": verdict,
        }


def _outcome_of(matching: Matching | None, place: int) -> tuple[str, str | None, float | None]:
    if matching is None:
        return "not_located", None, None
    return (
        matching.verdicts[place].value,
        matching.lesion_of[place],
        matching.quality[place],
    )


def _cross_rows(results: Sequence[Result]) -> Iterator[Row]:
    pairs = [(one.subject, one.outcome) for one in results]
    for reading in READINGS:
        yield from cross_rows(pairs, reading, AI, NOBODY)
