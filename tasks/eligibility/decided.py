"""What the forms and images of one subject come to: published rows, verdicts, findings. Pure.

Nothing of another subject is read, and no clock: who is held back by the search, and which roles
were signed, is added where all subjects are together.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.adjudication import AdjudicationCase
from schemas.protocol import choices_of, read_protocol
from schemas.records import Finding
from schemas.reference import Judge, SubjectReference
from tasks.eligibility import published
from tasks.eligibility.adjudication_cases import cases_of
from tasks.eligibility.agreement import check_references, check_subject
from tasks.eligibility.consent import consent_status
from tasks.eligibility.evaluate import CriterionResult, Eligibility, roll_up
from tasks.eligibility.flow import Place
from tasks.eligibility.imaging_facts import BaselineExams
from tasks.eligibility.missing_exams import possible_baselines, settled_mri
from tasks.eligibility.readings import evaluate_subject
from tasks.eligibility.references import References
from tasks.eligibility.subjects import SubjectRecord

Row = dict[str, object]

#: Criteria that the reference standard decides.
_REFERENCE = ("I5", "E3")


@dataclass(frozen=True)
class DecidedSubject:
    """Rows of the published tables by table name, findings, and where the person stands.

    Restricted are the cases for readers. `places` has one for each reading, by its id.
    """

    tables: Mapping[str, list[Row]]
    findings: tuple[Finding, ...] = ()
    cases: tuple[AdjudicationCase, ...] = field(default=(), repr=False)
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)


def decide_subject(subject: SubjectRecord, judge: Judge, batch_id: str) -> DecidedSubject:
    """Return everything that one subject brings into the published clinical tables.

    Parameters
    ----------
    subject : SubjectRecord
        Forms and images, with real dates.
    judge : callable
        Judges the reference standard (`tasks.reference.judge`).
    batch_id : str
        The batch that counts as the source of a subject without forms.
    """
    ways = possible_baselines(subject, choices_of(read_protocol().default_reading))
    baseline = ways[0]
    baseline_mri = settled_mri(ways)
    references = References(subject, judge)
    reference = references.published(baseline, baseline_mri)
    tables = _published(subject, baseline, reference, batch_id, baseline_mri)
    places: dict[str, Place] = {}
    for reading, results in evaluate_subject(subject, references).items():
        under = references.under(baseline, choices_of(reading)).label
        total = roll_up({name: result.effect for name, result in results.items()})
        tables["criterion_result"] += [_result_row(subject, one) for one in results.values()]
        tables["eligibility"].append(_eligibility_row(subject, reading, total))
        leaf = _leaf(subject, results, total, under)
        places[reading] = Place(subject.subject_id, subject.site, leaf)
    return DecidedSubject(
        tables,
        (*check_subject(subject, baseline), *check_references(subject, reference)),
        tuple(cases_of(subject, reference, baseline_mri)),
        places,
    )


def _published(
    subject: SubjectRecord,
    baseline: BaselineExams,
    reference: SubjectReference,
    batch_id: str,
    baseline_mri: dt.date | None,
) -> dict[str, list[Row]]:
    ct = baseline.date("baseline_ct")
    return {
        "subject": [published.subject_row(subject, ct, reference, batch_id)],
        "lesion": published.lesion_rows(subject, reference),
        "pathology": published.pathology_rows(subject),
        "follow_up": published.follow_up_rows(subject, baseline_mri),
        "treatment": published.treatment_rows(subject),
        "image_quality": published.image_quality_rows(subject),
        "criterion_result": [],
        "eligibility": [],
    }


def _eligibility_row(subject: SubjectRecord, reading: str, total: Eligibility) -> Row:
    return {
        "subject_id": subject.subject_id,
        "reading": reading,
        "status": total.status,
        "first_failing_criterion": total.first_failing_criterion,
        "all_failing": list(total.all_failing),
        "all_undetermined": list(total.all_undetermined),
        "n_criteria": total.n_criteria,
    }


def _result_row(subject: SubjectRecord, result: CriterionResult) -> Row:
    return {
        "subject_id": subject.subject_id,
        "criterion_id": result.criterion_id,
        "reading": result.reading,
        "status": result.status.value,
        "effect": result.effect.value,
        "observed_value": result.observed_value or None,
        "threshold": result.threshold,
        "reason_code": result.reason_code,
        "missing_evidence": list(result.missing_evidence),
        "protocol_version": result.protocol_version,
        "decision_ids": list(result.decision_ids),
    }


def _leaf(
    subject: SubjectRecord,
    results: Mapping[str, CriterionResult],
    total: Eligibility,
    reference: str,
) -> str:
    """Return the leaf of the flow: consent first, then the first criterion that decides."""
    consent = consent_status(subject)
    if consent in ("withdrawn", "unknown"):
        return f"consent_{consent}"
    if total.first_failing_criterion:
        return f"excluded_{total.first_failing_criterion}"
    if total.all_undetermined:
        first = results[total.all_undetermined[0]]
        if first.reason_code == "WINDOW_TRUNCATED":
            return "window_truncated"
        if first.reason_code == "EVIDENCE_CONFLICT" and first.criterion_id in _REFERENCE:
            return "reference_contradicted"
        return f"undetermined_{first.missing_evidence[0]}"
    return f"reference_{reference}"
