"""What blinded readers are shown of a lesion: the hand-over from `eligibility` to `report`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class CaseRecord:
    """One record that bears on a lesion, without anything the site concluded from it.

    Parameters
    ----------
    form : {'pathology', 'follow_up', 'treatment'}
        Which form it stands in.
    names_lesion : bool
        Whether it names this lesion; else it names none.
    days : str
        Days from the baseline MRI, both bounds where the date is incomplete, "" if unknown.
    facts : tuple of (str, str)
        Columns with their codes or numbers.
    """

    form: str
    names_lesion: bool
    days: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class AdjudicationCase:
    """One lesion to be judged (restricted: the site's own subject number).

    Neither what the site entered as its diagnosis, nor what contradicts it, nor any AI result.
    `for_chair` says that two readers differ; what they found is not said.
    """

    site: str
    subject_id: str
    subject_no: str = field(repr=False)
    lesion_no: int
    segment: str
    diameter_mm: float | None
    evidence_digest: str
    for_chair: bool
    records: tuple[CaseRecord, ...]
