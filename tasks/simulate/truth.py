"""Rows of the answer key about eligibility."""

from __future__ import annotations

from tasks.simulate.people.subjects import Subject, consent_by, evidence_by
from tasks.simulate.people.true_eligibility import (
    CRITERIA,
    READINGS,
    effects_without_the_ct,
    true_effects,
    true_status,
)

Row = dict[str, object]
_USUAL_T = 3.0
_BY_REGISTRATION = "study_dates"


def eligibility_rows(
    subject: Subject, night: int, *, late_pathology: bool, registered_earlier: bool = False
) -> list[Row]:
    """Return the true effect of each criterion and the true status, as of one night.

    `registered_earlier` is for a subject whose CT has another StudyDate than the EDC names: by
    that date (D29) the CT that the EDC names has not come.
    """
    evidence = evidence_by(subject, night, late_pathology=late_pathology)
    scanner_t = _weakest_scanner_t(subject)
    rows: list[Row] = []
    for reading, paper in READINGS.items():
        effects = true_effects(subject.story, evidence, paper, scanner_t)
        if registered_earlier and reading == _BY_REGISTRATION:
            effects = effects_without_the_ct(subject.story, evidence, paper, scanner_t)
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


def _weakest_scanner_t(subject: Subject) -> float:
    """Return the lower field strength of the scanners that the subject's MRI were made on."""
    made = (
        (subject.story.dce_day, subject.hospital.dce),
        (subject.story.eob_day, subject.hospital.eob),
    )
    return min((s.field_t or _USUAL_T for day, s in made if day is not None), default=_USUAL_T)


def _consent_that_counts(subject: Subject, night: int) -> str:
    """Return the consent status; a waiver that no document is named for is none."""
    stated = consent_by(subject, night)
    waiver_only_said = stated == "waived" and not subject.story.consent_documented
    return "unknown" if waiver_only_said else stated
