"""A reader study as tables: rows of every contract. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tasks.evaluate.cohort import LITERAL, Cohort, Subject
from tasks.evaluate.froc import UNMARKED, CaseMarks, froc_curve
from tasks.evaluate.lesions import located
from tasks.evaluate.matching import Method, Rule, Verdict, match_lesions
from tasks.evaluate.patients import Result
from tasks.evaluate.places import Places
from tasks.evaluate.reader_files import Mark, StudyFiles
from tasks.evaluate.reader_panel import localisation_rows, panel_estimates
from tasks.evaluate.reader_rows import NOT_READ, read_panel, reader_estimates
from tasks.evaluate.roc import roc_points
from tasks.evaluate.rows import Row
from tasks.evaluate.rules import Decided
from tasks.evaluate.table_rows import (
    Tables,
    centroid_cells,
    cross_rows,
    evaluation_row,
    froc_rows,
    roc_rows,
    unique_rows,
)


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
    cases = _case_marks(study, cohort, places, marks) if study.marks_given else {}
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
            curves += roc_rows(roc_points(scores[scored], panel.malignant[scored]), arm, reader)
            curves += froc_rows(froc_curve(cases.get((arm, reader), [])), arm, reader)
            calls = zip(panel.cases, panel.calls[a, r].tolist(), strict=True)
            pairs = [(subjects[case], str(call)) for case, call in calls if call != NOT_READ]
            cross += cross_rows(pairs, LITERAL, arm, reader)
    return {
        "evaluation": [
            evaluation_row(study.name, "reader_study", cohort, decided, exploratory, None)
        ],
        "reader_result": _reader_results(study),
        "reader_mark": list(_mark_rows(study.marks, marks)),
        "estimate": unique_rows(rows, exploratory=bool(exploratory)),
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
    """Return for each arm and reader the subjects that everybody read, if all lesions are known."""
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
            **centroid_cells(mark.place),
            "score": mark.score,
            "matched_lesion_id": lesion,
            "verdict": verdict,
        }
