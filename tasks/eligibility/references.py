"""The reference standard of one subject under each reading, judged once for what is alike.

The judge is handed in: it is a stage of its own (`tasks.reference`), and stages do not import
each other.
"""

from __future__ import annotations

from schemas.protocol import Choices, choices_of, decision_ids_for, read_protocol
from schemas.reference import Judge, ReferenceAnchors, SubjectReference
from tasks.eligibility.imaging_facts import BaselineExams
from tasks.eligibility.subjects import SubjectRecord

#: Criteria whose decisions bear on the reference standard.
REFERENCE_CRITERIA = ("I5", "E1", "E3")


class References:
    """The reference standards of one subject (restricted).

    Parameters
    ----------
    subject : SubjectRecord
        Its forms.
    baseline : BaselineExams
        Its baseline exams.
    judge : callable
        Judges all lesions under one reading.
    """

    def __init__(self, subject: SubjectRecord, baseline: BaselineExams, judge: Judge) -> None:
        self._subject = subject
        self._baseline = baseline
        self._judge = judge
        self._judged: dict[tuple[str, ...], SubjectReference] = {}

    def under(self, choices: Choices) -> SubjectReference:
        """Return the reference standard under the choices of one reading."""
        same = tuple(
            choices.get(decision, "")
            for criterion in REFERENCE_CRITERIA
            for decision in decision_ids_for(criterion)
        )
        if same not in self._judged:
            later = choices["D10"] == "later"
            mri = self._baseline.later_mri if later else self._baseline.baseline_mri
            anchors = ReferenceAnchors(ct=self._baseline.date("baseline_ct"), mri=mri)
            self._judged[same] = self._judge(self._subject.rows, anchors, choices)
        return self._judged[same]

    @property
    def published(self) -> SubjectReference:
        """The reference standard of the reading in force."""
        return self.under(choices_of(read_protocol().default_reading))
