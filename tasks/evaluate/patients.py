"""The outcomes per subject: the AI system's call against the reference standard. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.cohort import LITERAL, READINGS, SEVERAL, UNKNOWN, Subject
from tasks.evaluate.proportions import Estimate, clopper_pearson, wilson
from tasks.evaluate.roc import area, roc_points
from tasks.evaluate.rows import ALL, MAIN, NOT_DEFINED, Row, estimate_row
from tasks.evaluate.rules import MISDIAGNOSIS_ALTERNATIVE
from tasks.evaluate.run_files import DONE, PatientRow
from tasks.evaluate.times import summarise
from tasks.evaluate.verification import (
    Accuracy,
    Verification,
    begg_greenes,
    if_all_unverified_diseased,
    if_all_unverified_healthy,
    naive,
)

Flags = NDArray[np.bool_]
#: What the AI system said, beside positive and negative: nothing that counts as an answer.
CONCLUSIVE = ("positive", "negative")
BEST, WORST, ONLY_CONCLUSIVE = "best", "worst", "conclusive"
DETECTION_NOTE = "everybody enrolled has a lesion: this population has no one to be cleared"


@dataclass(frozen=True)
class Result:
    """What the index test said of a subject: its call, or how it failed."""

    subject: Subject
    row: PatientRow

    @property
    def outcome(self) -> str:
        """The call; `failed` or `rejected_input` where the test was not done."""
        return self.row.call if self.row.run_status == DONE else self.row.run_status


@dataclass(frozen=True)
class Cells:
    """How many subjects are right and wrong."""

    tp: int
    fp: int
    fn: int
    tn: int


#: Numerator and denominator of each measure.
MEASURES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sensitivity": (("tp",), ("tp", "fn")),
    "specificity": (("tn",), ("tn", "fp")),
    "ppv": (("tp",), ("tp", "fp")),
    "npv": (("tn",), ("tn", "fn")),
    "accuracy": (("tp", "tn"), ("tp", "fp", "fn", "tn")),
    "miss_rate": (("fn",), ("tp", "fn")),
    "misdiagnosis_rate": (("fp",), ("tn", "fp")),
}
_ALTERNATIVE_MISDIAGNOSIS = (("fp", "fn"), ("tp", "fp", "fn", "tn"))


def count(cells: Cells, names: Sequence[str]) -> int:
    """Return the sum of the named cells."""
    return sum(getattr(cells, name) for name in names)


def measures_in_force(misdiagnosis: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return the measures with the definition of the misdiagnosis rate that was decided (D19)."""
    if misdiagnosis == MISDIAGNOSIS_ALTERNATIVE:
        return {**MEASURES, "misdiagnosis_rate": _ALTERNATIVE_MISDIAGNOSIS}
    return MEASURES


def cells_of(malignant: Flags, calls: NDArray[np.str_], analysis: str = MAIN) -> Cells:
    """Return the four cells.

    Parameters
    ----------
    malignant : ndarray of bool, shape (subjects,)
        Reference standard.
    calls : ndarray of str, shape (subjects,)
        Calls; whatever is neither positive nor negative is no answer.
    analysis : str
        `main` and `worst` count no answer as wrong (intention to diagnose), `best` as right,
        `conclusive` leaves it out.
    """
    positive, negative = calls == "positive", calls == "negative"
    none = ~(positive | negative)
    if analysis == BEST:
        positive, negative = positive | (none & malignant), negative | (none & ~malignant)
    elif analysis != ONLY_CONCLUSIVE:
        positive, negative = positive | (none & ~malignant), negative | (none & malignant)
    return Cells(
        tp=int((positive & malignant).sum()),
        fp=int((positive & ~malignant).sum()),
        fn=int((negative & malignant).sum()),
        tn=int((negative & ~malignant).sum()),
    )


def patient_subsets(subjects: Sequence[Subject]) -> Iterator[tuple[str, str, Flags]]:
    """Yield by what, which, and who: everybody first, then every subgroup that has somebody."""
    yield ALL, ALL, np.ones(len(subjects), dtype=bool)
    for by in SUBGROUPS:
        values = np.array([subset_of(by, one) for one in subjects])
        for value in sorted(set(values.tolist())):
            yield by, value, values == value


SUBGROUPS = (*("site", "maker", "field", "lesion_class", "lesion_size", "ascertainment", "role"),)


def subset_of(by: str, subject: Subject) -> str:
    """Return in which subgroup a subject is."""
    if by == "lesion_class":
        classes = {lesion.reference_class for lesion in subject.lesions}
        return classes.pop() if len(classes) == 1 else SEVERAL if classes else UNKNOWN
    if by == "lesion_size":
        known = [one for one in subject.lesions if one.diameter_mm is not None]
        return max(known, key=lambda one: one.diameter_mm or 0.0).size if known else UNKNOWN
    return str(getattr(subject, by))


def verified(results: Sequence[Result], reading: str) -> list[Result]:
    """Return the analysis set of a reading: eligible, reference malignant or benign."""
    return [
        one
        for one in results
        if one.subject.is_eligible(reading) and one.subject.proven is not None
    ]


def patient_estimates(results: Sequence[Result], misdiagnosis: str) -> Iterator[Row]:
    """Yield all estimates per subject of an index-test run."""
    measures = measures_in_force(misdiagnosis)
    for reading in READINGS:
        ours = verified(results, reading)
        subjects = [one.subject for one in ours]
        malignant = np.array([bool(one.subject.proven) for one in ours], dtype=bool)
        calls = np.array([one.outcome for one in ours], dtype="U16")
        for by, subset, who in patient_subsets(subjects):
            analyses = (MAIN, BEST, WORST, ONLY_CONCLUSIVE) if by == ALL else (MAIN,)
            for analysis in analyses:
                cells = cells_of(malignant[who], calls[who], analysis)
                where = {"reading": reading, "analysis": analysis, "subset_by": by}
                yield from proportion_rows(cells, {**where, "subset": subset}, measures)
        scored = np.array([one.row.score is not None for one in ours], dtype=bool)
        scores = np.array([one.row.score or 0.0 for one in ours])
        found = area(scores[scored], malignant[scored])
        left_out = int((~scored).sum())
        yield estimate_row(
            {"measure": "auc", "reading": reading, "method": "delong_logit"},
            found,
            n_clusters=int(scored.sum()),
            note=f"{left_out} without a score are left out" if left_out else None,
        )
    yield from _what_cannot_be_given()
    yield from _times(results)
    yield from _partial_verification(results)


def proportion_rows(
    cells: Cells,
    where: Mapping[str, str],
    measures: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]],
) -> Iterator[Row]:
    """Yield each measure with Wilson's and the exact interval."""
    for measure, (above, below) in measures.items():
        numerator, denominator = count(cells, above), count(cells, below)
        for method, interval in (("wilson", wilson), ("clopper_pearson", clopper_pearson)):
            yield estimate_row(
                {**where, "measure": measure, "method": method},  # type: ignore[typeddict-item]
                interval(numerator, denominator),
                numerator=numerator,
                denominator=denominator,
                n_clusters=denominator,
            )


def _what_cannot_be_given() -> Iterator[Row]:
    for measure in ("detection_specificity", "detection_npv"):
        yield estimate_row(
            {"measure": measure, "method": "none"},
            Estimate(None),
            state=NOT_DEFINED,
            note=DETECTION_NOTE,
        )


def _times(results: Sequence[Result]) -> Iterator[Row]:
    values = [
        one.row.seconds
        for one in results
        if one.subject.is_eligible(LITERAL)
        and one.row.seconds is not None
        and one.row.run_status == DONE
    ]
    found = summarise(values)
    yield estimate_row(
        {"measure": "inference_seconds", "method": "median_order_statistics"},
        found.median,
        n_clusters=found.n,
        note=f"quartiles {found.quartiles[0]:g} to {found.quartiles[1]:g} s"
        if found.quartiles
        else None,
    )


def _partial_verification(results: Sequence[Result]) -> Iterator[Row]:
    """Yield what becomes of sensitivity and specificity with those who were not verified.

    Of those for whom every criterion holds but those that ask for the reference standard; with
    an answer of the index test.
    """
    asked = [
        one
        for one in results
        if one.subject.unverified_only.get(LITERAL) and one.outcome in CONCLUSIVE
    ]
    table = verification_table(asked)
    for call, diseased, healthy, unverified in (
        ("positive", table.positive_diseased, table.positive_healthy, table.positive_unverified),
        ("negative", table.negative_diseased, table.negative_healthy, table.negative_unverified),
    ):
        seen = diseased + healthy
        yield estimate_row(
            {"measure": "verified_fraction", "subset_by": "index_result", "subset": call},
            wilson(seen, seen + unverified),
            numerator=seen,
            denominator=seen + unverified,
            n_clusters=seen + unverified,
        )
    total = table.positives + table.negatives
    for analysis, method, found in (
        ("verified_only", "wilson", naive(table)),
        ("begg_greenes", "begg_greenes_logit", begg_greenes(table)),
        ("unverified_malignant", "wilson", if_all_unverified_diseased(table)),
        ("unverified_benign", "wilson", if_all_unverified_healthy(table)),
    ):
        yield from _accuracy_rows(analysis, method, found, total)


def verification_table(results: Sequence[Result]) -> Verification:
    """Return how many of each call were verified, and as what."""

    def counted(call: str, proven: bool | None) -> int:
        of_call = (one for one in results if one.outcome == call)
        return sum(
            1 for one in of_call if (one.subject.proven if _settled(one) else None) is proven
        )

    return Verification(*(counted(call, p) for call in CONCLUSIVE for p in (True, False, None)))


def _settled(one: Result) -> bool:
    return one.subject.is_eligible(LITERAL) and one.subject.proven is not None


def _accuracy_rows(analysis: str, method: str, found: Accuracy, total: int) -> Iterator[Row]:
    for measure, value in (
        ("sensitivity", found.sensitivity),
        ("specificity", found.specificity),
    ):
        yield estimate_row(
            {"measure": measure, "analysis": analysis, "method": method}, value, n_clusters=total
        )


def patient_roc(results: Sequence[Result]) -> list[tuple[float, float, float]]:
    """Return the points of the ROC curve of the subjects with a score, under the main reading."""
    ours = [one for one in verified(results, LITERAL) if one.row.score is not None]
    scores = np.array([one.row.score or 0.0 for one in ours])
    return roc_points(scores, np.array([bool(one.subject.proven) for one in ours], dtype=bool))
