"""One subject under every reading; what a reading leaves as it is, is decided once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from schemas.protocol import (
    CRITERION_IDS,
    Choices,
    choices_of,
    decision_ids_for,
    read_protocol,
)
from schemas.states import Effect
from tasks.eligibility import clinical_facts
from tasks.eligibility.evaluate import CriterionResult, evaluate_facts
from tasks.eligibility.imaging_facts import BaselineExams, imaging_facts
from tasks.eligibility.missing_exams import agreed, possible_baselines
from tasks.eligibility.references import REFERENCE_CRITERIA, References
from tasks.eligibility.subjects import SubjectRecord

_Candidates = dict[str, Sequence[Mapping[str, object]]]
#: What several records of one kind mean together: the best specimen decides I5, the worst
#: treatment E1.
_BEST_FIRST = (Effect.PASS, Effect.UNDETERMINED, Effect.FAIL)
#: Decisions that say which exams there are, and when they were; every criterion hangs on them.
_OF_EXAMS = ("D10", "D13", "D27", "D29")
_WORST_FIRST = (Effect.FAIL, Effect.UNDETERMINED, Effect.PASS)


def evaluate_subject(
    subject: SubjectRecord, references: References
) -> dict[str, dict[str, CriterionResult]]:
    """Return what each criterion says of one subject, by reading and criterion."""
    decided: dict[tuple[str, ...], CriterionResult] = {}
    ways_of: dict[tuple[str, ...], list[BaselineExams]] = {}
    by_reading: dict[str, dict[str, CriterionResult]] = {}
    for reading in read_protocol().readings:
        choices = choices_of(reading.id)
        exams = tuple(choices[decision] for decision in _OF_EXAMS)
        if exams not in ways_of:
            ways_of[exams] = possible_baselines(subject, choices)
        candidates: list[_Candidates] = []
        results: dict[str, CriterionResult] = {}
        for criterion_id in CRITERION_IDS:
            same = (criterion_id, *exams, *_that_bear_on(criterion_id, choices))
            if same not in decided:
                candidates = candidates or [
                    _candidates(subject, way, references, choices) for way in ways_of[exams]
                ]
                found = [_decide(criterion_id, one[criterion_id], reading.id) for one in candidates]
                decided[same] = agreed(found, ways_of[exams])
            results[criterion_id] = replace(decided[same], reading=reading.id)
        by_reading[reading.id] = results
    return by_reading


def _that_bear_on(criterion_id: str, choices: Choices) -> list[str]:
    """Return the options that may change a criterion; the reference standard decides two."""
    criteria = REFERENCE_CRITERIA if criterion_id in ("I5", "E3") else (criterion_id,)
    return [choices.get(decision, "") for one in criteria for decision in decision_ids_for(one)]


def _candidates(
    subject: SubjectRecord, baseline: BaselineExams, references: References, choices: Choices
) -> _Candidates:
    """Return the sets of facts by which each criterion may be decided."""
    image = imaging_facts(baseline, choices)
    person = clinical_facts.demographic_facts(subject)
    reference = references.under(baseline, choices)
    consent = clinical_facts.consent_facts(subject)
    treatments = clinical_facts.treatment_facts(subject, choices)
    return {
        "I1": [image["I1"] | person["I1"] | consent],
        "I2": [person["I2"] | {"ct": image["I1"]["ct"]}],
        "I3": [image["I3"]],
        "I4": [image["I4"], *_one_exam_for_both(baseline, choices)],
        "I5": [image["I5"] | one for one in reference.window_facts],
        "E1": [image["E1"] | consent | one for one in treatments],
        "E2": [clinical_facts.quality_facts(subject)],
        "E3": reference.diagnosis_facts,
        "E4": [clinical_facts.inflammation_facts(subject)],
    }


def _one_exam_for_both(baseline: BaselineExams, choices: Choices) -> Iterator[Mapping[str, object]]:
    """Yield the facts of the gadoxetate exam alone, where it may count for both MRI (D05).

    A second exam then neither helps nor harms: two exams that fulfil the literal text do so too.
    """
    if choices["D05"] == "combined_exam" and "eob_mri" in baseline.exams:
        alone = {role: exam for role, exam in baseline.exams.items() if role != "dce_mri"}
        none = baseline.not_done | {"dce_mri"}
        only = replace(baseline, exams=alone, not_done=none, assumed={})
        yield imaging_facts(only, choices)["I4"]


def _decide(
    criterion_id: str, candidates: Sequence[Mapping[str, object]], reading: str
) -> CriterionResult:
    """Decide by each set of facts and return the one that counts.

    Any specimen may fulfil I5, one of two sets of exams I4, and any treatment may exclude by
    E1. A malignant lesion with a proven diagnosis settles E3 for the patient; else the worst
    lesion does.
    """
    results = [evaluate_facts(criterion_id, facts, reading) for facts in candidates]
    order = _BEST_FIRST if criterion_id in ("I4", "I5") else _WORST_FIRST
    if criterion_id == "E3":
        settled = [
            r
            for r in results
            if r.observed_value.startswith("malignant/") and r.effect is Effect.PASS
        ]
        results = settled or results
    return min(results, key=lambda result: order.index(result.effect))
