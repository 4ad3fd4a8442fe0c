"""Rows of the answer key about eligibility."""

from __future__ import annotations

from tasks.simulate.people.subjects import Subject, consent_by, evidence_by
from tasks.simulate.people.true_eligibility import (
    CRITERIA,
    combined_exam_effect,
    true_effects,
    true_status,
)

Row = dict[str, object]


def eligibility_rows(subject: Subject, night: int, *, late_pathology: bool) -> list[Row]:
    """Return the true effect of each criterion and the true status, as of one night."""
    evidence = evidence_by(subject, night, late_pathology=late_pathology)
    literal = true_effects(subject.story, evidence)
    combined = literal | {"I4": combined_exam_effect(subject.story)}
    rows: list[Row] = []
    for reading, effects in (("literal", literal), ("combined_exam", combined)):
        common: Row = {
            "site": subject.hospital.code,
            "subject_no": subject.subject_no,
            "night": night,
            "reading": reading,
            "story": subject.story.name,
            "consent": _consent_that_counts(subject, night),
        }
        rows.extend(common | {"criterion": c, "effect": effects[c]} for c in CRITERIA)
        rows.append(common | {"criterion": "status", "effect": true_status(effects)})
    return rows


def _consent_that_counts(subject: Subject, night: int) -> str:
    """Return the consent status; a waiver that no document is named for is none."""
    stated = consent_by(subject, night)
    waiver_only_said = stated == "waived" and not subject.story.consent_documented
    return "unknown" if waiver_only_said else stated
