"""The outcomes per lesion: predictions matched with lesions, clustered in subjects. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.protocol import read_protocol
from tasks.evaluate.bootstrap import bootstrap_ratios
from tasks.evaluate.cohort import READINGS, Lesion, Subject
from tasks.evaluate.froc import UNMARKED, CaseMarks
from tasks.evaluate.masks import Mask, OtherGridError, overlap
from tasks.evaluate.matching import Matching, Method, Reference, Rule, Verdict, match_lesions
from tasks.evaluate.patients import SUBGROUPS, Result, subset_of, verified
from tasks.evaluate.places import Places
from tasks.evaluate.proportions import Estimate, clustered_proportion
from tasks.evaluate.rows import ALL, MAIN, Key, Row, estimate_row
from tasks.evaluate.rules import MISDIAGNOSIS_ALTERNATIVE, MatchingRules
from tasks.evaluate.run_files import LesionRow

Counts = NDArray[np.float64]
#: Subgroups that part the lesions of one subject; the others part the subjects.
_OF_LESIONS = ("lesion_class", "lesion_size")
_FALSE = (Verdict.FALSE_POSITIVE, Verdict.OUTSIDE_LIVER)
NO_PLACE = "no place of the reference lesions was given"
NO_LESIONS = "no lesions.csv was delivered"
PREDICTED_NOTE = "of what was predicted; a failed test predicts nothing"


@dataclass(frozen=True)
class MatchedSubject:
    """A subject, what was predicted, and how it was matched.

    `matching` is None where the place of a reference lesion is not known: then a prediction may
    be that lesion, and nothing is counted. `positive` says which predictions are called malignant.
    """

    result: Result
    predictions: tuple[LesionRow, ...]
    positive: tuple[bool, ...]
    matching: Matching | None

    @property
    def subject(self) -> Subject:
        """The subject."""
        return self.result.subject

    def prediction_of(self, lesion: Lesion) -> int | None:
        """Return which prediction was matched with a lesion."""
        assert self.matching is not None
        places = self.matching.lesion_of
        return places.index(lesion.lesion_id) if lesion.lesion_id in places else None


def called_malignant(lesion: LesionRow, threshold: float) -> bool:
    """Return whether a prediction is called malignant.

    By the class probabilities, where they are given: the malignant classes together against the
    benign ones; else by the score at the threshold of the run.
    """
    protocol = read_protocol()
    if not lesion.probabilities:
        return lesion.score >= threshold
    malignant = sum(lesion.probabilities.get(name, 0.0) for name in protocol.malignant_classes)
    benign = sum(lesion.probabilities.get(name, 0.0) for name in protocol.benign_classes)
    return malignant > benign


def match_subject(
    result: Result,
    predictions: Sequence[LesionRow],
    places: Places,
    masks: Mapping[int, Mask],
    rule: Rule,
    threshold: float,
) -> MatchedSubject:
    """Return the predictions of one subject matched by a rule.

    Parameters
    ----------
    result : Result
        The subject and its result.
    predictions : sequence of LesionRow
        What was predicted there.
    places : Places
        Where the reference lesions lie.
    masks : mapping of int to Mask
        Masks of the predictions, by place in `predictions`.
    rule : Rule
        How to match.
    threshold : float
        Of the run.

    Raises
    ------
    OtherGridError
        If two masks do not lie on one grid.
    """
    positive = tuple(called_malignant(one, threshold) for one in predictions)
    references = located(result.subject, places)
    if rule.method is Method.OVERLAP and not all(
        one.lesion_id in places.masks for one in result.subject.lesions
    ):
        references = None
    matching = None
    if references is not None:
        overlaps = {}
        if rule.method is Method.OVERLAP:
            overlaps = {
                (number, one.lesion_id): _overlap(
                    mask, places.masks[one.lesion_id], predictions[number]
                )
                for number, mask in masks.items()
                for one in references
            }
        liver = places.livers.get(result.subject.subject_id)
        outside = frozenset(
            number
            for number, one in enumerate(predictions)
            if liver is not None and not liver.holds(one.centroid)
        )
        centroids = [one.centroid for one in predictions]
        matching = match_lesions(references, centroids, rule, overlaps, outside)
    return MatchedSubject(result, tuple(predictions), positive, matching)


def _overlap(mask: Mask, reference: Mask, prediction: LesionRow) -> float:
    try:
        return overlap(mask, reference)
    except OtherGridError as error:
        error.line = prediction.line
        raise


def located(subject: Subject, places: Places) -> list[Reference] | None:
    """Return the reference lesions with their places; None while one is missing."""
    found = []
    for lesion in subject.lesions:
        place = places.by_lesion.get(lesion.lesion_id)
        if place is None:
            return None
        found.append(
            Reference(lesion.lesion_id, place.centroid, lesion.diameter_mm, lesion.accepted)
        )
    return found


@dataclass(frozen=True)
class _Request:
    """One ratio over subjects: what each adds above and below."""

    key: Key
    hits: Counts
    sizes: Counts
    note: str | None = None
    is_share: bool = True


def lesion_estimates(
    matched: Mapping[str, Sequence[MatchedSubject]], rules: MatchingRules, misdiagnosis: str
) -> Iterator[Row]:
    """Yield all estimates per lesion.

    Parameters
    ----------
    matched : mapping
        For each rule by name the subjects matched by it; the primary rule is `rules.name`.
    rules : MatchingRules
        Which rule is the primary one.
    misdiagnosis : str
        The definition of the misdiagnosis rate in force (D19).
    """
    for reading in READINGS:
        requests = list(_requests(_in_set(matched[rules.name], reading), reading, misdiagnosis))
        for name, subjects in matched.items():
            if name != rules.name:
                ours = _in_set(subjects, reading)
                requests += [_detection(ours, reading, name)]
        yield from _answer(requests)


def _in_set(matched: Sequence[MatchedSubject], reading: str) -> list[MatchedSubject]:
    members = {one.subject.subject_id for one in verified([m.result for m in matched], reading)}
    return [
        one for one in matched if one.matching is not None and one.subject.subject_id in members
    ]


def _requests(
    ours: Sequence[MatchedSubject], reading: str, misdiagnosis: str
) -> Iterator[_Request]:
    table = _LesionTable(ours)
    base: Key = {"unit": "lesion", "reading": reading, "analysis": MAIN}
    asked = table.everything if misdiagnosis == MISDIAGNOSIS_ALTERNATIVE else ~table.malignant
    wrong = ~(table.true_positive | table.true_negative)
    for by, subset, lesions, subjects in table.subsets():
        key: Key = {**base, "subset_by": by, "subset": subset}
        for measure, above, below in (
            ("detection_rate", table.detected, table.everything),
            ("sensitivity", table.true_positive, table.malignant),
            ("miss_rate", ~table.true_positive, table.malignant),
            ("specificity", table.true_negative, ~table.malignant),
            ("misdiagnosis_rate", wrong, asked),
            ("npv", table.true_negative, table.true_negative | table.missed),
        ):
            yield _Request(
                {**key, "measure": measure},
                table.per_subject(above & below & lesions),
                table.per_subject(below & lesions),
            )
        if by in _OF_LESIONS:
            continue
        right, called = table.positive_calls
        yield _Request(
            {**key, "measure": "ppv"}, right * subjects, called * subjects, PREDICTED_NOTE
        )
        yield _Request(
            {**key, "measure": "false_marks_per_subject"},
            table.false_marks * subjects,
            np.ones(len(ours)) * subjects,
            is_share=False,
        )


def _detection(ours: Sequence[MatchedSubject], reading: str, analysis: str) -> _Request:
    table = _LesionTable(ours)
    key: Key = {"unit": "lesion", "measure": "detection_rate", "reading": reading}
    return _Request(
        {**key, "analysis": analysis},
        table.per_subject(table.detected),
        table.per_subject(table.everything),
    )


def _answer(requests: Sequence[_Request]) -> Iterator[Row]:
    by_length: dict[int, list[_Request]] = {}
    for one in requests:
        by_length.setdefault(len(one.hits), []).append(one)
    drawn: dict[int, Estimate] = {}
    for group in by_length.values():
        hits = np.column_stack([one.hits for one in group])
        sizes = np.column_stack([one.sizes for one in group])
        found = bootstrap_ratios(hits, sizes)
        drawn |= {id(one): estimate for one, estimate in zip(group, found, strict=True)}
    for one in requests:
        facts = {
            "numerator": float(one.hits.sum()),
            "denominator": float(one.sizes.sum()),
            "n_clusters": int((one.sizes > 0).sum()),
        }
        if one.is_share:
            share = clustered_proportion(one.hits, one.sizes)
            yield estimate_row(
                {**one.key, "method": "ratio_wilson"},
                share.interval,
                icc=share.icc,
                design_effect=share.design_effect,
                note=one.note,
                **facts,  # type: ignore[arg-type]
            )
        yield estimate_row(
            {**one.key, "method": "cluster_bootstrap"},
            drawn[id(one)],
            note=one.note,
            **facts,  # type: ignore[arg-type]
        )


class _LesionTable:
    """The accepted lesions of the subjects as arrays, `(lesions,)` each."""

    def __init__(self, ours: Sequence[MatchedSubject]) -> None:
        self._ours = ours
        rows = [
            (number, lesion, one.prediction_of(lesion), one)
            for number, one in enumerate(ours)
            for lesion in one.subject.lesions
            if lesion.accepted
        ]
        self._owner = np.array([row[0] for row in rows], dtype=np.int64)
        self._lesions = [row[1] for row in rows]
        self.everything = np.ones(len(rows), dtype=bool)
        self.malignant = np.array([bool(row[1].malignant) for row in rows], dtype=bool)
        self.detected = np.array([row[2] is not None for row in rows], dtype=bool)
        positive = np.array(
            [row[2] is not None and row[3].positive[row[2]] for row in rows], dtype=bool
        )
        done = np.array([row[3].result.row.run_status == "ok" for row in rows], dtype=bool)
        self.true_positive = self.malignant & positive
        self.missed = self.malignant & ~positive
        # A failed test has not called anything benign.
        self.true_negative = ~self.malignant & ~positive & done

    def per_subject(self, lesions: NDArray[np.bool_]) -> Counts:
        """Return how many of the lesions each subject has."""
        counts = np.bincount(self._owner, lesions.astype(float), minlength=len(self._ours))
        return counts.astype(np.float64)

    @property
    def positive_calls(self) -> tuple[Counts, Counts]:
        """Predictions called malignant by subject: those on a malignant lesion, and all."""
        right, called = np.zeros(len(self._ours)), np.zeros(len(self._ours))
        for number, one in enumerate(self._ours):
            assert one.matching is not None
            truth = {lesion.lesion_id: lesion.malignant for lesion in one.subject.lesions}
            for place, verdict in enumerate(one.matching.verdicts):
                if one.positive[place] and verdict in (Verdict.MATCHED, *_FALSE):
                    lesion = one.matching.lesion_of[place]
                    called[number] += 1
                    right[number] += bool(lesion and truth[lesion])
        return right, called

    @property
    def false_marks(self) -> Counts:
        """Predictions by subject that are on no lesion."""
        return np.array(
            [
                float(sum(v in _FALSE for v in one.matching.verdicts)) if one.matching else 0.0
                for one in self._ours
            ]
        )

    def subsets(self) -> Iterator[tuple[str, str, NDArray[np.bool_], Counts]]:
        """Yield by what, which, its lesions, and 1.0 for each of its subjects."""
        everyone = np.ones(len(self._ours))
        yield ALL, ALL, self.everything, everyone
        for by in SUBGROUPS:
            if by in _OF_LESIONS:
                name = "reference_class" if by == "lesion_class" else "size"
                values = np.array([getattr(one, name) for one in self._lesions], dtype="U32")
                for value in sorted(set(values.tolist())):
                    yield by, value, values == value, everyone
                continue
            whose = np.array([subset_of(by, one.subject) for one in self._ours], dtype="U64")
            for value in sorted(set(whose.tolist())):
                who = whose == value
                yield by, value, who[self._owner], who.astype(float)


def case_marks(ours: Sequence[MatchedSubject]) -> list[CaseMarks]:
    """Return every subject of the main analysis set as scores of lesions and of false marks."""
    cases = []
    for one in _in_set(ours, READINGS[0]):
        assert one.matching is not None
        scores = [prediction.score for prediction in one.predictions]
        found = [one.prediction_of(lesion) for lesion in one.subject.lesions if lesion.accepted]
        cases.append(
            CaseMarks(
                tuple(UNMARKED if at is None else scores[at] for at in found),
                tuple(s for s, v in zip(scores, one.matching.verdicts, strict=True) if v in _FALSE),
            )
        )
    return cases
