"""Who is in the cohort: subjects with story, person, hospital numbers, exams night by night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tasks.simulate.people.exam_content import complete
from tasks.simulate.people.hospitals import Hospital
from tasks.simulate.people.people import Person, make_person, name_of
from tasks.simulate.people.protocols import (
    ExamPlan,
    baseline_ct,
    dce_mri,
    eob_mri,
    follow_up_ct,
    follow_up_mri,
)
from tasks.simulate.people.scenarios import Evidence, Scenario
from tasks.simulate.people.stories import STORIES
from tasks.simulate.random_streams import number_of, stream

FIRST_NIGHT = dt.date(2026, 11, 20)
_FIRST_NIGHT_AFTER_THE_STUDY = dt.date(2029, 4, 2)
FOLLOW_UP_NIGHT = 2
_FIRST_CT = dt.date(2025, 3, 3)
_CT_SPAN_DAYS = 400
# Years: by whether the lesion is malignant; the ends keep clear of the limit of 18.
_MEAN_AGE = {True: 59.0, False: 47.0}
_AGE_SD, _YOUNGEST, _OLDEST = 11.0, 22, 92


@dataclass(frozen=True)
class Exam:
    """One study as it happened: plan, day, time of day, numbers of the hospital."""

    plan: ExamPlan
    index: int
    date: dt.date
    start_s: float
    patient_id: str
    accession: str
    study_uid: str
    physician_han: str
    physician_pinyin: str
    operator: str


@dataclass(frozen=True)
class Subject:
    """One enrolled person at one site."""

    number: int
    hospital: Hospital
    subject_no: str
    screening_no: str
    person: Person
    story: Scenario
    ct_date: dt.date
    patient_ids: tuple[str, ...]
    lesion_seed: int

    @property
    def baseline_mri_date(self) -> dt.date:
        """Day of the earlier baseline MRI."""
        return self.ct_date + dt.timedelta(days=self.story.baseline_mri_day)

    @property
    def follow_up_date(self) -> dt.date | None:
        """Day of the follow-up image, if the story has one."""
        if self.story.follow_up_day is None:
            return None
        return self.baseline_mri_date + dt.timedelta(days=self.story.follow_up_day)


def night_date(subjects: Iterable[Subject], night: int) -> dt.date:
    """Return the day a site's export of this night (1, 2, ...) is named after.

    A site with a person who was examined after the usual day delivers after the study.
    """
    late = any(subject.ct_date > FIRST_NIGHT for subject in subjects)
    first = _FIRST_NIGHT_AFTER_THE_STUDY if late else FIRST_NIGHT
    return first + dt.timedelta(days=night - 1)


def make_subjects(
    hospital: Hospital,
    *,
    site_index: int,
    per_site: int,
    seed: int,
    change: Callable[[int, Scenario], Scenario] = lambda _place, story: story,
) -> list[Subject]:
    """Return the subjects of a site; stories go round the table, sites take turns.

    Parameters
    ----------
    change : callable
        Gets a subject's place at the site (0, 1, ...) and story; returns the story to be told.
    """
    subjects = []
    for place in range(per_site):
        number = site_index * per_site + place
        story = change(place, STORIES[number % len(STORIES)])
        subjects.append(_make_subject(hospital, story, number, place + 1, seed))
    return subjects


def _make_subject(
    hospital: Hospital, story: Scenario, number: int, place: int, seed: int
) -> Subject:
    chance = stream(seed, "subject", hospital.code, place)
    drawn = _FIRST_CT + dt.timedelta(days=int(chance.integers(_CT_SPAN_DAYS)))
    ct_date = story.ct_date or drawn
    birth = _years_before(ct_date, _age(story, hospital, place, seed)) - dt.timedelta(
        days=int(chance.integers(20, 300))
    )
    main = f"{hospital.number}{int(chance.integers(10**7, 10**8)):08d}"
    second = f"M{int(chance.integers(10**7, 10**8)):08d}"
    return Subject(
        number=number,
        hospital=hospital,
        subject_no=f"LC{hospital.number}-{place:04d}",
        screening_no=f"SC{hospital.number}-{place:04d}",
        person=make_person(seed, number, story.born_on or birth),
        story=story,
        ct_date=ct_date,
        patient_ids=(main, second) if story.several_patient_ids else (main,),
        lesion_seed=number_of(seed, "lesion", hospital.code, place) % 100,
    )


def _age(story: Scenario, hospital: Hospital, place: int, seed: int) -> int:
    """Return the age of the story, or one drawn about the mean of the diagnosis."""
    if story.age_years is not None:
        return story.age_years
    drawn = stream(seed, "age", hospital.code, place).normal(_MEAN_AGE[story.malignant], _AGE_SD)
    return int(min(max(drawn, _YOUNGEST), _OLDEST))


def _years_before(day: dt.date, years: int) -> dt.date:
    # The 28th exists in every month, so no clamp is needed here.
    return dt.date(day.year - years, day.month, min(day.day, 28))


def evidence_by(subject: Subject, night: int, *, late_pathology: bool) -> Evidence:
    """Return which evidence the site has delivered by the end of this night."""
    return Evidence(
        pathology_form=night >= FOLLOW_UP_NIGHT or not late_pathology,
        follow_up=night >= FOLLOW_UP_NIGHT and subject.story.follow_up_day is not None,
        corrected=night >= FOLLOW_UP_NIGHT,
        mended=night > FOLLOW_UP_NIGHT,
        consent=consent_by(subject, night),
    )


def consent_by(subject: Subject, night: int) -> str:
    """Return the consent status that the forms of this night state."""
    withdrawn = subject.story.withdrawn_on_night
    return "withdrawn" if withdrawn is not None and night >= withdrawn else subject.story.consent


def exams_of_night(subject: Subject, night: int, seed: int, *, full: bool = False) -> list[Exam]:
    """Return the studies that this night's export brings for the subject."""
    if night == 1:
        plans = _baseline_plans(subject)
        if full:
            plans = [complete(plan, subject.number) for plan in plans]
        return [_make_exam(subject, plan, index, seed) for index, plan in enumerate(plans, start=1)]
    follow_up = subject.follow_up_date
    if night != FOLLOW_UP_NIGHT or follow_up is None:
        return []
    day = (follow_up - subject.ct_date).days
    hospital = subject.hospital
    plan = (
        follow_up_ct(hospital.ct, day)
        if subject.story.malignant
        else follow_up_mri(hospital.dce, subject.story, day)
    )
    return [_make_exam(subject, plan, 4, seed)]


def _baseline_plans(subject: Subject) -> list[ExamPlan]:
    story, hospital = subject.story, subject.hospital
    plans = [baseline_ct(hospital.ct, story)] if story.ct_done else []
    if story.dce_day is not None:
        plans.append(dce_mri(hospital.dce, story, story.dce_day))
    if story.eob_day is not None:
        plans.append(eob_mri(hospital.eob, story, story.eob_day))
    return plans


def _make_exam(subject: Subject, plan: ExamPlan, index: int, seed: int) -> Exam:
    hospital = subject.hospital
    chance = stream(seed, "exam", hospital.code, subject.subject_no, index)
    date = subject.ct_date + dt.timedelta(days=plan.day)
    start_s = float(int(chance.integers(8 * 3600, 16 * 3600)))
    physician = name_of(seed, "physician", hospital.code, int(chance.integers(3)))
    operator = name_of(seed, "operator", hospital.code, int(chance.integers(3)))
    number = int(chance.integers(10**6, 10**7))
    return Exam(
        plan=plan,
        index=index,
        date=date,
        start_s=start_s,
        patient_id=subject.patient_ids[(index + 1) % len(subject.patient_ids)],
        accession=f"{plan.modality}{hospital.number}{date:%y%m%d}{number % 10000:04d}",
        study_uid=f"1.2.156.999999.{hospital.number}.{date:%Y%m%d}{clock(start_s)[:6]}.{number}",
        physician_han=physician[0],
        physician_pinyin=f"{physician[1]}^{physician[2]}",
        operator=operator[0],
    )


def clock(seconds: float) -> str:
    """Return a DICOM time HHMMSS.ffffff of seconds since midnight."""
    whole = int(seconds)
    micro = round((seconds - whole) * 1_000_000)
    return f"{whole // 3600:02d}{whole // 60 % 60:02d}{whole % 60:02d}.{micro:06d}"
