"""The reference standard of one subject under each reading, judged once for what is alike.

The judge is handed in: it is a stage of its own (`tasks.reference`), and stages do not import
each other.
"""

from __future__ import annotations

import datetime as dt

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
    judge : callable
        Judges all lesions under one reading.
    """

    def __init__(self, subject: SubjectRecord, judge: Judge) -> None:
        self._subject = subject
        self._judge = judge
        self._judged: dict[tuple[object, ...], SubjectReference] = {}

    def under(self, baseline: BaselineExams, choices: Choices) -> SubjectReference:
        """Return the reference standard under one reading, with the exams as they may be."""
        later = choices["D10"] == "later"
        mri = baseline.later_mri if later else baseline.baseline_mri
        return self._of(ReferenceAnchors(ct=baseline.date("baseline_ct"), mri=mri), choices)

    def published(self, baseline: BaselineExams, mri: dt.date | None) -> SubjectReference:
        """Return the reference standard of the reading in force.

        `mri` is the day of the baseline MRI; None while an exam that has not come may change it.
        """
        choices = choices_of(read_protocol().default_reading)
        return self._of(ReferenceAnchors(ct=baseline.date("baseline_ct"), mri=mri), choices)

    def _of(self, anchors: ReferenceAnchors, choices: Choices) -> SubjectReference:
        options = tuple(
            choices.get(decision, "")
            for criterion in REFERENCE_CRITERIA
            for decision in decision_ids_for(criterion)
        )
        same = (anchors.ct, anchors.mri, *options)
        if same not in self._judged:
            self._judged[same] = self._judge(self._subject.rows, anchors, choices)
        return self._judged[same]
