"""What an exam could still change: one that has not come, or one that was made on two days.

The EDC's stated dates are bounds for an exam that has not come. A criterion is decided when it
comes out alike in every way the exams may yet turn out, and undetermined otherwise.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from schemas.protocol import Choices, read_evidence, read_protocol
from schemas.states import Effect, Verdict
from tasks.eligibility.evaluate import CriterionResult
from tasks.eligibility.imaging_facts import BASELINE_ROLES, BaselineExams, find_baseline_exams
from tasks.eligibility.subjects import Exam, SubjectRecord

_CT, *_MRI = BASELINE_ROLES
_FACT_OF_ROLE = {"baseline_ct": "ct", "dce_mri": "dce", "eob_mri": "eob"}
#: A partial date of the EDC is looked at on no more days than a year has.
_MOST_DAYS = 366


def possible_baselines(subject: SubjectRecord, choices: Choices) -> list[BaselineExams]:
    """Return the baseline exams in every way that matters; first as they are known now.

    They differ in the day of an exam that was made on two days, and in that of the one MRI that
    has not come while the other has.
    """
    known = find_baseline_exams(subject, choices)
    ways = [known]
    for exams in product(*(_days_of(known, role) for role in BASELINE_ROLES)):
        one = replace(known, exams={role: exam for role, exam in exams if exam is not None})
        ways += [one, *_with_missing(one, subject)]
    distinct: dict[object, BaselineExams] = {}
    for way in ways:
        days = tuple(way.date(role) for role in BASELINE_ROLES)
        distinct.setdefault((days, way.baseline_mri, way.later_mri), way)
    return list(distinct.values())


def _days_of(known: BaselineExams, role: str) -> list[tuple[str, Exam | None]]:
    exam = known.exams.get(role)
    if exam is None:
        return [(role, None)]
    days = [exam.real_date, exam.other_date] if exam.other_date else [exam.real_date]
    return [(role, replace(exam, real_date=day)) for day in days]


def _with_missing(one: BaselineExams, subject: SubjectRecord) -> Iterator[BaselineExams]:
    missing = [r for r in _MRI if r not in one.exams and r not in one.not_done]
    if len(missing) != 1 or not any(role in one.exams for role in _MRI):
        return
    role = missing[0]
    for day in _possible_days(one, role, subject):
        yield replace(one, assumed={role: day})


def _possible_days(one: BaselineExams, role: str, subject: SubjectRecord) -> list[dt.date]:
    """Return the days of the EDC; without them those of the window around the CT."""
    stated = subject.demographics.date(f"{role}_date") if subject.demographics else None
    if stated is not None:
        first, last = stated.earliest, stated.latest
    else:
        centre = one.date(_CT) or next(d for r in _MRI if (d := one.date(r)) is not None)
        reach = dt.timedelta(days=int(read_protocol().limit("mri_window_days")))
        first, last = centre - reach, centre + reach
    return [first + dt.timedelta(days=n) for n in range(min((last - first).days + 1, _MOST_DAYS))]


def settled_mri(ways: Sequence[BaselineExams]) -> dt.date | None:
    """Return the day of the baseline MRI when no exam can still change it."""
    days = {way.baseline_mri for way in ways}
    return next(iter(days)) if len(days) == 1 else None


def agreed(results: Sequence[CriterionResult], ways: Sequence[BaselineExams]) -> CriterionResult:
    """Return the result that all ways come to; else that it is open, and which exam would tell."""
    first = results[0]
    if all(result.effect is first.effect for result in results):
        return first
    return replace(
        first,
        status=Verdict.UNDETERMINED,
        effect=Effect.UNDETERMINED,
        reason_code="EXAM_COULD_CHANGE",
        missing_evidence=_what_would_tell(ways),
        observed_value="",
    )


def _what_would_tell(ways: Sequence[BaselineExams]) -> tuple[str, ...]:
    varied = {role for way in ways for role in way.assumed}
    varied |= {role for role in BASELINE_ROLES if len({way.date(role) for way in ways}) > 1}
    return tuple(sorted(read_evidence()[_FACT_OF_ROLE[role]].name for role in varied))
