"""Facts in, verdicts out: each criterion, and the roll-up to one status per subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from schemas.protocol import (
    CRITERION_IDS,
    Choices,
    choices_of,
    decision_ids_for,
    read_protocol,
)
from schemas.states import Effect, Verdict
from tasks.eligibility import criteria_imaging, criteria_reference, criteria_subject
from tasks.eligibility.facts import Facts, parse_facts
from tasks.eligibility.verdicts import Part, kleene_and


@dataclass(frozen=True)
class CriterionResult:
    """What one criterion says of one subject under one reading."""

    criterion_id: str
    reading: str
    status: Verdict
    effect: Effect
    reason_code: str
    missing_evidence: tuple[str, ...]
    observed_value: str
    threshold: str
    protocol_version: str
    decision_ids: tuple[str, ...]


@dataclass(frozen=True)
class Eligibility:
    """What all nine criteria together say of one subject under one reading."""

    status: str
    first_failing_criterion: str | None
    all_failing: tuple[str, ...]
    all_undetermined: tuple[str, ...]
    n_criteria: int


_EVALUATORS: dict[str, Callable[[Facts, Choices], Part]] = {
    "I1": criteria_subject.age_reached,
    "I2": criteria_subject.detected_by_registered_route,
    "I3": criteria_imaging.contrast_ct,
    "I4": criteria_imaging.mri_examinations,
    "I5": criteria_reference.reference_standard,
    "E1": criteria_subject.treated_before,
    "E2": criteria_subject.quality_inadequate,
    "E3": criteria_reference.diagnosis_not_established,
    "E4": criteria_subject.inflammatory_lesion,
}


def evaluate_facts(
    criterion_id: str, raw_facts: Mapping[str, object], reading: str | None = None
) -> CriterionResult:
    """Decide one criterion from the facts known of one subject.

    Parameters
    ----------
    criterion_id : str
        I1-I5 or E1-E4.
    raw_facts : mapping
        The `inputs_json` of the facts format; an absent key means not recorded.
    reading : str, optional
        A reading of `eligibility.yaml`; the default reading when not given.

    Returns
    -------
    CriterionResult
        Status, effect (for exclusions pass = not excluded), reason, missing evidence, and an
        observed value without dates.

    Raises
    ------
    BadInputError
        If criterion, key or value is not of the format, or there is no such reading.
    """
    facts = parse_facts(criterion_id, raw_facts)
    protocol = read_protocol()
    chosen = reading or protocol.default_reading
    part = _EVALUATORS[criterion_id](facts, choices_of(chosen))
    criterion = protocol.criterion(criterion_id)
    return CriterionResult(
        criterion_id=criterion_id,
        reading=chosen,
        status=part.verdict,
        effect=_effect(part.verdict, is_exclusion=criterion.kind == "exclusion"),
        reason_code=part.reason,
        missing_evidence=part.missing,
        observed_value=part.observed,
        threshold=criterion.threshold,
        protocol_version=protocol.protocol_version,
        decision_ids=decision_ids_for(criterion_id),
    )


def roll_up(effects: Mapping[str, Effect]) -> Eligibility:
    """Combine the effects of the criteria by Kleene AND.

    A criterion without a row is undetermined: nobody looked.

    Parameters
    ----------
    effects : mapping of criterion id to Effect
        Rows that are there.
    """
    every = {name: effects.get(name, Effect.UNDETERMINED) for name in CRITERION_IDS}
    failing = _with_effect(every, Effect.FAIL)
    status = {
        Effect.PASS: "eligible",
        Effect.FAIL: "ineligible",
        Effect.UNDETERMINED: "undetermined",
    }[kleene_and(every.values())]
    return Eligibility(
        status=status,
        first_failing_criterion=failing[0] if failing else None,
        all_failing=failing,
        all_undetermined=_with_effect(every, Effect.UNDETERMINED),
        n_criteria=len([name for name in CRITERION_IDS if name in effects]),
    )


def _effect(verdict: Verdict, *, is_exclusion: bool) -> Effect:
    if verdict is Verdict.UNDETERMINED:
        return Effect.UNDETERMINED
    return Effect.PASS if (verdict is Verdict.MET) is not is_exclusion else Effect.FAIL


def _with_effect(effects: Mapping[str, Effect], wanted: Effect) -> tuple[str, ...]:
    return tuple(name for name in CRITERION_IDS if effects[name] is wanted)
