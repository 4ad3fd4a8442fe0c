"""An evaluation as tables: rows of every contract, made from a run or a study. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.evaluate.bootstrap import DRAWS, SEED
from tasks.evaluate.cohort import LITERAL, READINGS, Cohort, Subject
from tasks.evaluate.flow import flow_rows
from tasks.evaluate.froc import UNMARKED, CaseMarks, FrocPoint, froc_curve
from tasks.evaluate.lesions import (
    NO_PLACE,
    MatchedSubject,
    case_marks,
    lesion_estimates,
    located,
    match_subject,
)
from tasks.evaluate.masks import Mask
from tasks.evaluate.matching import Matching, Method, Rule, Verdict, match_lesions
from tasks.evaluate.patients import Result, patient_estimates, patient_roc
from tasks.evaluate.places import Places
from tasks.evaluate.proportions import Estimate
from tasks.evaluate.reader_files import Mark, StudyFiles
from tasks.evaluate.reader_panel import localisation_rows, panel_estimates
from tasks.evaluate.reader_rows import NOT_READ, read_panel, reader_estimates
from tasks.evaluate.roc import roc_points
from tasks.evaluate.rows import AI, NOBODY, Key, Row, estimate_row
from tasks.evaluate.rules import Decided
from tasks.evaluate.run_files import LesionRow, RunFiles

Tables = dict[str, list[Row]]


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
    matched = _matched(run, results, decided, places, masks)
    primary = matched[decided.matching.name]
    rows = [*patient_estimates(results, decided.misdiagnosis)]
    if any(one.matching is not None for one in primary):
        rows += lesion_estimates(matched, decided.matching)
    else:
        rows += _no_lesions()
    froc = froc_curve(case_marks(primary))
    return {
        "evaluation": [_evaluation(run.name, "index_run", cohort, decided, exploratory, run)],
        "index_result": _index_results(run, cohort),
        "index_lesion": [row for one in primary for row in _index_lesions(one, masks, decided)],
        "estimate": _unique(rows),
        "curve_point": [
            *_roc_rows(patient_roc(results), AI, NOBODY),
            *_froc_rows(froc, AI, NOBODY),
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
    if masks.by_line and places.masks:
        rules |= decided.matching.others
    else:  # without masks nothing can be said of overlap
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


def _no_lesions() -> Iterator[Row]:
    for reading in READINGS:
        for measure in ("detection_rate", "sensitivity", "specificity", "ppv", "npv"):
            key: Key = {"unit": "lesion", "measure": measure, "reading": reading, "method": "none"}
            yield estimate_row(key, Estimate(None), note=NO_PLACE)


def _evaluation(
    name: str,
    kind: str,
    cohort: Cohort,
    decided: Decided,
    exploratory: Sequence[str],
    run: RunFiles | None,
) -> Row:
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
            **_centroid(row.centroid),
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


def _centroid(place: tuple[float, float, float]) -> Row:
    return {f"centroid_lps_{axis}_mm": value for axis, value in zip("xyz", place, strict=True)}


def _roc_rows(points: Iterable[tuple[float, float, float]], arm: str, reader: str) -> Iterator[Row]:
    for number, (threshold, x, y) in enumerate(points, start=1):
        finite = threshold if threshold != float("inf") else None
        yield _point("roc", arm, reader, number, finite, x, Estimate(y))


def _froc_rows(points: Iterable[FrocPoint], arm: str, reader: str) -> Iterator[Row]:
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


def _cross_rows(results: Sequence[Result]) -> Iterator[Row]:
    pairs = [(one.subject, one.outcome) for one in results]
    for reading in READINGS:
        yield from _cross(pairs, reading, AI, NOBODY)


def _cross(
    pairs: Iterable[tuple[Subject, str]], reading: str, arm: str, reader: str
) -> Iterator[Row]:
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


def _unique(rows: Iterable[Row]) -> list[Row]:
    """Return the rows; those of the main analysis and of everybody may be asked for twice."""
    keys = ("unit", "measure", "arm", "reader_id", "reading", "analysis", "subset_by", "subset")
    return list({tuple(row[k] for k in (*keys, "method")): row for row in rows}.values())


def evaluate_study(
    study: StudyFiles,
    cohort: Cohort,
    decided: Decided,
    places: Places,
    index: Mapping[str, Result],
    exploratory: Sequence[str],
) -> Tables:
    """Return the tables of a reader study.

    Parameters
    ----------
    study : StudyFiles
        A study that was admitted.
    cohort : Cohort
        The release it names.
    decided : Decided
        Decisions in force in that release.
    places : Places
        Where the reference lesions lie.
    index : mapping
        Results of the AI system that stand beside the readers, by subject.
    exploratory : sequence of str
        What makes the study exploratory.
    """
    reads, subjects = study.reads, cohort.subjects
    marks = _match_marks(study, cohort, decided, places)
    cases = _case_marks(study, cohort, places, marks)
    rows = [
        *reader_estimates(reads, subjects, index, decided),
        *panel_estimates(reads, subjects, decided),
        *localisation_rows(cases, decided),
    ]
    panel = read_panel(reads, subjects, LITERAL)
    curves: list[Row] = []
    cross: list[Row] = []
    for a, arm in enumerate(panel.arms):
        for r, reader in enumerate(panel.readers):
            scores = panel.scores[a, r]
            scored = scores == scores
            curves += _roc_rows(roc_points(scores[scored], panel.malignant[scored]), arm, reader)
            curves += _froc_rows(froc_curve(cases.get((arm, reader), [])), arm, reader)
            calls = zip(panel.cases, panel.calls[a, r].tolist(), strict=True)
            pairs = [(subjects[case], str(call)) for case, call in calls if call != NOT_READ]
            cross += _cross(pairs, LITERAL, arm, reader)
    return {
        "evaluation": [_evaluation(study.name, "reader_study", cohort, decided, exploratory, None)],
        "reader_result": _reader_results(study),
        "reader_mark": list(_mark_rows(study.marks, marks)),
        "estimate": _unique(rows),
        "curve_point": curves,
        "cross_table": cross,
    }


def _reader_results(study: StudyFiles) -> list[Row]:
    return [
        {
            "reader_id": read.reader,
            "subject_id": read.subject_id,
            "session_id": read.session,
            "arm": read.arm,
            "position_in_session": read.position,
            "call": read.call,
            "confidence_0_100": read.score,
            "minutes": read.minutes,
            "washout_days": read.washout_days,
        }
        for read in study.reads
    ]


#: What became of each mark, by its line: the verdict and the lesion.
MatchedMarks = dict[int, tuple[str, str | None]]


def _match_marks(
    study: StudyFiles, cohort: Cohort, decided: Decided, places: Places
) -> MatchedMarks:
    by_read: dict[tuple[str, str, str], list[Mark]] = defaultdict(list)
    for mark in study.marks:
        by_read[mark.reader, mark.subject_id, mark.session].append(mark)
    rule = decided.matching.primary
    if rule.method is Method.OVERLAP:  # a mark of a reader has no outline
        rule = Rule(Method.CENTROID, 1.0)
    found: MatchedMarks = {}
    for (_, subject, _), marks in by_read.items():
        references = located(cohort.subjects[subject], places)
        if references is None:
            found |= {mark.line: ("not_located", None) for mark in marks}
            continue
        liver = places.livers.get(subject)
        outside = frozenset(
            i for i, mark in enumerate(marks) if liver is not None and not liver.holds(mark.place)
        )
        matching = match_lesions(references, [m.place for m in marks], rule, None, outside)
        for place, mark in enumerate(marks):
            found[mark.line] = (matching.verdicts[place].value, matching.lesion_of[place])
    return found


def _case_marks(
    study: StudyFiles, cohort: Cohort, places: Places, matched: MatchedMarks
) -> dict[tuple[str, str], list[CaseMarks]]:
    """Return for each arm and reader the subjects that everybody read and whose lesions are known."""
    sessions = {(r.arm, r.reader, r.subject_id): r.session for r in study.reads}
    pairs = sorted({(read.arm, read.reader) for read in study.reads})
    everybody = [
        case
        for case in sorted({read.subject_id for read in study.reads})
        if all((arm, reader, case) in sessions for arm, reader in pairs)
        and cohort.subjects[case].is_eligible(LITERAL)
        and cohort.subjects[case].proven is not None
        and located(cohort.subjects[case], places) is not None
    ]
    marks: dict[tuple[str, str, str], list[Mark]] = defaultdict(list)
    for mark in study.marks:
        marks[mark.reader, mark.subject_id, mark.session].append(mark)
    return {
        (arm, reader): [
            _one_case(
                cohort.subjects[case],
                marks[reader, case, sessions[arm, reader, case]],
                matched,
            )
            for case in everybody
        ]
        for arm, reader in pairs
    }


def _one_case(subject: Subject, marks: Sequence[Mark], matched: MatchedMarks) -> CaseMarks:
    on_lesion = {matched[mark.line][1]: mark.score for mark in marks}
    false = (Verdict.FALSE_POSITIVE.value, Verdict.OUTSIDE_LIVER.value)
    return CaseMarks(
        tuple(on_lesion.get(one.lesion_id, UNMARKED) for one in subject.lesions if one.accepted),
        tuple(mark.score for mark in marks if matched[mark.line][0] in false),
    )


def _mark_rows(marks: Sequence[Mark], matched: MatchedMarks) -> Iterator[Row]:
    numbers: Counter[tuple[str, str, str]] = Counter()
    for mark in marks:
        key = (mark.reader, mark.subject_id, mark.session)
        numbers[key] += 1
        verdict, lesion = matched[mark.line]
        yield {
            "reader_id": mark.reader,
            "subject_id": mark.subject_id,
            "session_id": mark.session,
            "mark_no": numbers[key],
            **_centroid(mark.place),
            "score": mark.score,
            "matched_lesion_id": lesion,
            "verdict": verdict,
        }
