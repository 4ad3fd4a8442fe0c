"""Exams that the EDC states, as far as labelling needs them: role and days, shifted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from schemas.clinical_rows import ClinicalRow
from schemas.records import StatedExam

_FORM = "demographics"
_ROLES = ("baseline_ct", "dce_mri", "eob_mri")


def stated_exams(rows: Iterable[ClinicalRow]) -> list[StatedExam]:
    """Return the dated exams of the demographics forms, moved by each person's own shift."""
    found = []
    for row in rows:
        for role in _ROLES if row.form == _FORM and row.enrolled else ():
            day = row.date(f"{role}_date")
            if day is not None:
                moved = [_moved(one, row.shift_days) for one in (day.earliest, day.latest)]
                found.append(
                    StatedExam(
                        subject_id=row.subject_id, role=role, earliest=moved[0], latest=moved[1]
                    )
                )
    return found


def _moved(day: dt.date, shift_days: int) -> str:
    return (day - dt.timedelta(days=shift_days)).strftime("%Y%m%d")


def roles_on(
    stated: Mapping[str, Sequence[StatedExam]], subject_id: str | None, day: str | None
) -> frozenset[str]:
    """Return the roles of a subject's stated exams that may have been on a day."""
    exams = stated.get(subject_id or "", ())
    return frozenset(e.role for e in exams if day is not None and e.earliest <= day <= e.latest)
