"""All forms and labels of a cohort to verdicts, flow and published rows (restricted memory).

Real dates come in, differences in days, verdicts and shifted dates go out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from schemas.adjudication import AdjudicationCase
from schemas.clinical_rows import ClinicalRow
from schemas.protocol import choices_of, read_protocol
from schemas.records import CohortLabels, Finding
from schemas.reference import Judge, SubjectReference
from tasks.eligibility import published
from tasks.eligibility.adjudication_cases import cases_of
from tasks.eligibility.agreement import check_references, check_subject
from tasks.eligibility.consent import consent_status
from tasks.eligibility.evaluate import CriterionResult, Eligibility, roll_up
from tasks.eligibility.flow import Place, flow_rows
from tasks.eligibility.imaging_facts import BaselineExams
from tasks.eligibility.missing_exams import possible_baselines, settled_mri
from tasks.eligibility.readings import evaluate_subject
from tasks.eligibility.references import References
from tasks.eligibility.subjects import SubjectRecord, collect_subjects

Row = dict[str, object]

#: Criteria that the reference standard decides.
_REFERENCE = ("I5", "E3")
#: Leaves of the flow: whom the search keeps out, and who is not in anyway.
_HELD, _NO_CONSENT = "identifier_held", ("consent_withdrawn", "consent_unknown")

_TABLES = (
    "subject",
    "screening_log",
    "image_quality",
    "lesion",
    "pathology",
    "follow_up",
    "treatment",
    "criterion_result",
    "eligibility",
    "stard_flow",
)


@dataclass(frozen=True)
class CohortRows:
    """Rows of the published tables by table name, and findings.

    Restricted are the cases for readers, and where each person stands in the flow of each
    reading: persons who were never enrolled are among them.
    """

    tables: Mapping[str, list[Row]]
    findings: tuple[Finding, ...]
    cases: tuple[AdjudicationCase, ...] = field(default=(), repr=False)
    places: Mapping[str, Sequence[Place]] = field(default_factory=dict, repr=False)


def assemble_cohort(
    rows: Iterable[ClinicalRow],
    labels: CohortLabels,
    judge: Judge,
    *,
    batch_of_subject: Mapping[str, str] | None = None,
    shift_days: Mapping[str, int] | None = None,
    held: Collection[str] = (),
) -> CohortRows:
    """Return verdicts, flow and published clinical rows of all subjects.

    Subjects of every consent status are in the rows; the consent gate is the publisher's.

    Parameters
    ----------
    rows : iterable of ClinicalRow
        The merged rows in force, with real dates.
    labels : CohortLabels
        Labels and roles of all images, with shifted dates.
    judge : callable
        Judges the reference standard of one subject (`tasks.reference.judge`).
    batch_of_subject : mapping of subject_id to batch_id, optional
        For subjects of whom only images came.
    shift_days : mapping of subject_id to int, optional
        The vault's shifts, for the same subjects.
    held : collection of str
        Pseudonyms that the search keeps out of the release: the flow counts them apart.

    Returns
    -------
    CohortRows
        Tables named as in `data_contracts/cohort/`; no real date in any of them.
    """
    clinical = list(rows)
    subjects = collect_subjects(clinical, labels, shift_days)
    tables: dict[str, list[Row]] = {name: [] for name in _TABLES}
    findings: list[Finding] = []
    cases: list[AdjudicationCase] = []
    places: dict[str, list[Place]] = {reading.id: [] for reading in read_protocol().readings}
    for subject in subjects:
        ways = possible_baselines(subject, choices_of(read_protocol().default_reading))
        baseline = ways[0]
        baseline_mri = settled_mri(ways)
        references = References(subject, judge)
        published_reference = references.published(baseline, baseline_mri)
        batch_id = _batch_of(subject, batch_of_subject or {})
        _add_published(tables, subject, baseline, published_reference, batch_id, baseline_mri)
        findings += check_subject(subject, baseline)
        findings += check_references(subject, published_reference)
        cases += cases_of(subject, published_reference, baseline_mri)
        for reading, results in evaluate_subject(subject, references).items():
            reference = references.under(baseline, choices_of(reading)).label
            place = _add_verdicts(tables, subject, results, reading, reference)
            is_held = subject.subject_id in held and place.leaf not in _NO_CONSENT
            places[reading].append(replace(place, leaf=_HELD) if is_held else place)
    tables["screening_log"] = published.screening_rows(clinical)
    outside = _never_enrolled(clinical)
    for reading, found in places.items():
        found += outside
        tables["stard_flow"] += flow_rows(found, reading)
    return CohortRows(tables, tuple(findings), tuple(cases), places)


def _add_published(
    tables: dict[str, list[Row]],
    subject: SubjectRecord,
    baseline: BaselineExams,
    reference: SubjectReference,
    batch_id: str,
    baseline_mri: dt.date | None,
) -> None:
    ct = baseline.date("baseline_ct")
    tables["subject"].append(published.subject_row(subject, ct, reference, batch_id))
    tables["lesion"] += published.lesion_rows(subject, reference)
    tables["pathology"] += published.pathology_rows(subject)
    tables["follow_up"] += published.follow_up_rows(subject, baseline_mri)
    tables["treatment"] += published.treatment_rows(subject)
    tables["image_quality"] += published.image_quality_rows(subject)


def _add_verdicts(
    tables: dict[str, list[Row]],
    subject: SubjectRecord,
    results: Mapping[str, CriterionResult],
    reading: str,
    reference: str,
) -> Place:
    total = roll_up({name: result.effect for name, result in results.items()})
    tables["criterion_result"] += [_result_row(subject, result) for result in results.values()]
    tables["eligibility"].append(
        {
            "subject_id": subject.subject_id,
            "reading": reading,
            "status": total.status,
            "first_failing_criterion": total.first_failing_criterion,
            "all_failing": list(total.all_failing),
            "all_undetermined": list(total.all_undetermined),
            "n_criteria": total.n_criteria,
        }
    )
    return Place(subject.subject_id, subject.site, _leaf(subject, results, total, reference))


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


def _never_enrolled(rows: Iterable[ClinicalRow]) -> list[Place]:
    return [
        Place(row.subject_id, row.site, "not_enrolled")
        for row in rows
        if row.form == "screening_log" and not row.enrolled
    ]


def _batch_of(subject: SubjectRecord, batch_of_subject: Mapping[str, str]) -> str:
    if subject.rows:
        return min(row.batch_id for row in subject.rows)
    return batch_of_subject.get(subject.subject_id, "")
