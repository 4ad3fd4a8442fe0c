"""The lesions that two blinded readers may settle, but for what the site says (restricted)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from schemas.reference import SubjectReference
from tasks.eligibility.consent import consent_status
from tasks.eligibility.subjects import SubjectRecord


@dataclass(frozen=True)
class AdjudicationCase:
    """One lesion to be judged: neither what the site entered nor what contradicts it."""

    site: str
    subject_no: str = field(repr=False)
    lesion_no: int
    evidence_digest: str


def cases_of(subject: SubjectRecord, reference: SubjectReference) -> Iterator[AdjudicationCase]:
    """Yield the lesions of a subject whose record contradicts itself or is incomplete.

    A person who did not consent is shown to nobody.
    """
    if consent_status(subject) not in ("consented", "waived") or subject.demographics is None:
        return
    for lesion in reference.lesions:
        if lesion.needs_readers and lesion.lesion_no is not None:
            yield AdjudicationCase(
                subject.site,
                subject.demographics.subject_no,
                lesion.lesion_no,
                lesion.evidence_digest,
            )
