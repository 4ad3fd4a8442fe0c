"""What the reference standard of a lesion rests on: the hand-over from `reference` on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.clinical_rows import ClinicalRow
from schemas.protocol import Choices

FactSet = dict[str, object]


class ReferenceState(StrEnum):
    """How far the record of a lesion carries the label that the site entered.

    `PENDING`: no diagnosis yet, or a follow-up that is still too short. `UNPROVEN`: the record
    that would carry the label is not there. `CONTRADICTED`: a record says something else.
    """

    PROVEN = "proven"
    CONTRADICTED = "contradicted"
    UNPROVEN = "unproven"
    PENDING = "pending"


@dataclass(frozen=True)
class ProvingRecord:
    """One record that proves a label.

    `days_from_mri` is its day minus that of the baseline MRI; None unless both are exact.
    """

    record_id: str
    days_from_mri: int | None


@dataclass(frozen=True, kw_only=True)
class LesionReference:
    """The reference standard of one lesion under one reading.

    Parameters
    ----------
    lesion_no : int or None
        Number of the lesion in the diagnosis form.
    label : {'malignant', 'benign', 'indeterminate'} or None
        What the site entered, or the adjudication found; None while pending.
    route : str or None
        The route entered, or `adjudication`.
    state : ReferenceState
        Whether the record carries the label.
    proven_by : {'pathology', 'followup', 'adjudication'} or None
        The route that the record proves; None unless the state is `PROVEN`.
    proof : tuple of ProvingRecord
        The records that prove it.
    missing : tuple of str
        Facts, by their names in `evidence.yaml`, that would settle it.
    conflicts : tuple of (str, str)
        Pairs of facts that contradict each other.
    flags : tuple of str
        What a reader of the reference must know, sorted.
    evidence_digest : str
        Keyed code of the lesion's record; an adjudication counts only while it names this one.
    adjudicated_class : str or None
        The class that the adjudication found; None unless it settled the lesion.
    adjudication_problems : tuple of str
        Rules of `findings.yaml` that say why adjudications of the lesion do not count, sorted.
    readers_differ : bool
        Whether two readers judged the evidence of today and differ, so that a chair must decide.
    """

    lesion_no: int | None
    label: str | None
    route: str | None
    state: ReferenceState
    proven_by: str | None = None
    proof: tuple[ProvingRecord, ...] = ()
    missing: tuple[str, ...] = ()
    conflicts: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ()
    evidence_digest: str = ""
    adjudicated_class: str | None = None
    adjudication_problems: tuple[str, ...] = ()
    readers_differ: bool = False

    @property
    def needs_readers(self) -> bool:
        """Whether readers may settle it: evidence of its label contradicts itself or is missing.

        A lesion without a readable diagnosis waits for its site.
        """
        is_open = self.state in (ReferenceState.CONTRADICTED, ReferenceState.UNPROVEN)
        return is_open and bool(self.missing) and self.label is not None


@dataclass(frozen=True, kw_only=True)
class SubjectReference:
    """The reference standard of one subject: what follows from its lesions.

    `state` is that of the lesions which carry the label: one proven malignant lesion is
    enough, a benign label needs all of them. `window_facts` are the sets of facts by which I5
    may be decided, `diagnosis_facts` those of E3: one or more for each lesion, in the facts
    format, with real dates (restricted).
    """

    lesions: tuple[LesionReference, ...]
    label: str
    route: str
    state: ReferenceState
    partially_verified: bool
    window_facts: tuple[FactSet, ...] = field(repr=False)
    diagnosis_facts: tuple[FactSet, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ReferenceAnchors:
    """Real days of the baseline exams that the windows open with (restricted).

    `mri` is the baseline MRI of the reading (D10); None when nobody knows it.
    """

    ct: dt.date | None = field(repr=False)
    mri: dt.date | None = field(repr=False)


#: Judges the lesions of one subject under one reading.
Judge = Callable[[Sequence[ClinicalRow], ReferenceAnchors, Choices], SubjectReference]
