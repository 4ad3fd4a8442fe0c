"""All forms and labels of a cohort to verdicts, flow and published rows (restricted memory).

Real dates come in, differences in days, verdicts and shifted dates go out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from schemas.adjudication import AdjudicationCase
from schemas.clinical_rows import ClinicalRow
from schemas.protocol import read_protocol
from schemas.records import CohortLabels, Finding
from schemas.reference import Judge
from tasks.eligibility import published
from tasks.eligibility.decided import DecidedSubject, decide_subject
from tasks.eligibility.flow import Place, flow_rows
from tasks.eligibility.subjects import SubjectRecord, collect_subjects

Row = dict[str, object]

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
    decide: Callable[[SubjectRecord, Judge, str], DecidedSubject] = decide_subject,
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
    decide : callable
        Decides one subject; another may have kept what this one comes to.

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
        decided = decide(subject, judge, _batch_of(subject, batch_of_subject or {}))
        for name, own in decided.tables.items():
            tables[name] += own
        findings += decided.findings
        cases += decided.cases
        for reading, place in decided.places.items():
            is_held = subject.subject_id in held and place.leaf not in _NO_CONSENT
            places[reading].append(replace(place, leaf=_HELD) if is_held else place)
    tables["screening_log"] = published.screening_rows(clinical)
    outside = _never_enrolled(clinical)
    for reading, found in places.items():
        found += outside
        tables["stard_flow"] += flow_rows(found, reading)
    return CohortRows(tables, tuple(findings), tuple(cases), places)


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
