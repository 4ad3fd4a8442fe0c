"""What the page of one subject shows: pure, from the rows of that subject alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from schemas.records import Finding
from tasks.report.model import Cohort, ReportInput, read_cohort
from tasks.report.picture_plan import EXAM_ROLES, is_rated, scale_of, title_of
from tasks.report.tables import (
    CriterionRow,
    EligibilityRow,
    FollowUpRow,
    LesionRow,
    PathologyRow,
    QualityRow,
    SeriesRow,
    StudyRow,
    SubjectRow,
    TreatmentRow,
    VolumePictures,
)
from tasks.report.timeline import (
    Event,
    Timeline,
    Window,
    days_between,
    draw_timeline,
    windows,
)
from tasks.report.unrated import RATED_EXAMS, exams_left
from tasks.report.verdicts import CRITERIA
from tasks.report.worklist import order_findings, owner_of

_ROLE_ORDER = ("baseline_ct", "dce_mri", "eob_mri")
_EXAM_PREFIX = {"dce_mri": "DCE ", "eob_mri": "EOB "}
#: The phase of the contact sheet of a site, and how many subjects stand on it.
_CONTACT, _CONTACT_SUBJECTS = "_PVP", 24
_LABEL_ORDER = ("_NC", "_PRE", "_ART", "_PVP", "_TRANS", "_DEL", "_HBP")


@dataclass(frozen=True)
class SeriesView:
    """One series with its pictures; `pictures` is None when it has no volume to show."""

    series: SeriesRow
    title: str
    pictures: VolumePictures | None

    @property
    def scale(self) -> str:
        """What series with one grey scale have in common."""
        return scale_of(self.series)


@dataclass(frozen=True)
class ScrolledSeries:
    """One series with a reduced volume, whether it is shown at first, and what it may be linked to.

    Series with the same `frame`, counted from 1, lie in one frame of reference. One whose headers
    state none, or several, has a frame of its own: its millimetres compare with nothing.
    """

    view: SeriesView
    shown: bool
    frame: int


@dataclass(frozen=True)
class ExamView:
    """One study: the phases that are compared, the other series, and what a reviewer is asked."""

    study: StudyRow
    phases: tuple[SeriesView, ...]
    others: tuple[SeriesView, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def volumes(self) -> tuple[ScrolledSeries, ...]:
        """Series that can be scrolled; the phases are shown at first."""
        return scrolled((*self.phases, *self.others))


@dataclass(frozen=True)
class CriterionView:
    """One criterion under every reading; `shown` is that of the reading in force."""

    criterion_id: str
    shown: CriterionRow | None
    effects: tuple[str, ...]


@dataclass(frozen=True)
class SubjectView:
    """Everything of one subject."""

    subject: SubjectRow
    verdicts: tuple[tuple[str, str], ...]
    other_verdicts: tuple[tuple[str, str], ...]
    criteria: tuple[CriterionView, ...]
    events: tuple[Event, ...]
    spans: tuple[Window, ...]
    timeline: Timeline | None
    exams: tuple[ExamView, ...]
    lesions: tuple[LesionRow, ...]
    ratings: tuple[QualityRow, ...]
    findings: tuple[Finding, ...]
    rated_exams: tuple[str, ...]
    unrated_exams: tuple[str, ...]


_Row = TypeVar("_Row")


@dataclass(frozen=True)
class _Rows:
    """The rows of one subject."""

    studies: Sequence[StudyRow]
    series: Sequence[SeriesRow]
    criteria: Sequence[CriterionRow]
    eligibility: Sequence[EligibilityRow]
    pathology: Sequence[PathologyRow]
    follow_up: Sequence[FollowUpRow]
    treatment: Sequence[TreatmentRow]
    lesions: Sequence[LesionRow]
    ratings: Sequence[QualityRow]
    findings: Sequence[Finding]


def view_subjects(
    report: ReportInput,
    cohort: Cohort,
    readings: Sequence[str],
    findings_of: Mapping[str, Sequence[Finding]],
) -> tuple[SubjectView, ...]:
    """Return one view per subject, sorted by subject."""
    parts = {
        name: _by_subject(getattr(cohort, name))
        for name in (
            *("studies", "series", "criteria", "eligibility", "pathology", "follow_up"),
            *("treatment", "lesions", "ratings"),
        )
    }
    ordered = sorted(cohort.subjects, key=lambda one: one.subject_id)
    return tuple(
        _view(
            subject,
            _Rows(
                **{name: rows.get(subject.subject_id, []) for name, rows in parts.items()},
                findings=findings_of.get(subject.subject_id, ()),
            ),
            readings,
            report,
        )
        for subject in ordered
    )


def _by_subject(rows: Iterable[_Row]) -> dict[str, list[_Row]]:
    grouped: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        grouped[row.subject_id].append(row)  # type: ignore[attr-defined]  # every row has one
    return grouped


def _view(
    subject: SubjectRow, rows: _Rows, readings: Sequence[str], report: ReportInput
) -> SubjectView:
    ct = next((s.study_date_shifted for s in rows.studies if s.role == "baseline_ct"), None)
    mri = _baseline_mri(rows.studies, ct, int(report.limits["mri_window_days"]))
    events = tuple(_events(rows, ct))
    spans = windows(0 if ct else None, mri, ct, report.limits)
    status = {row.reading: row.status for row in rows.eligibility}
    exams = _exams(rows, report.pictures)
    return SubjectView(
        subject=subject,
        verdicts=tuple((name, status.get(name, "undetermined")) for name in readings),
        other_verdicts=tuple(sorted(one for one in status.items() if one[0] not in readings)),
        criteria=_criteria(rows.criteria, readings),
        events=events,
        spans=spans,
        timeline=draw_timeline(events, spans),
        exams=exams,
        lesions=tuple(sorted(rows.lesions, key=lambda one: one.lesion_no)),
        ratings=tuple(sorted(rows.ratings, key=lambda one: (one.exam, one.rater_id or ""))),
        findings=order_findings(rows.findings),
        rated_exams=tuple(name for name in EXAM_ROLES if rating_series(exams, name)),
        unrated_exams=exams_left(rows.ratings).get(subject.subject_id, RATED_EXAMS),
    )


def scrolled(series: Iterable[SeriesView]) -> tuple[ScrolledSeries, ...]:
    """Return the series with a reduced volume; the phases are shown first, else the first."""
    found = [one for one in series if one.pictures and one.pictures.volume]
    phases = [_is_phase(one.series.label) for one in found]
    shown = phases if any(phases) else [place == 0 for place in range(len(found))]
    frames = _frames([one.series.frame_of_reference_uid for one in found])
    return tuple(map(ScrolledSeries, found, shown, frames))


def _frames(stated: Iterable[str | None]) -> list[int]:
    """Return numbers of frames of reference as they come; an unknown one is like no other."""
    numbers: dict[str | int, int] = {}
    return [
        numbers.setdefault(place if uid is None else uid, len(numbers) + 1)
        for place, uid in enumerate(stated)
    ]


def contact_sheet(subjects: Iterable[SubjectView]) -> list[tuple[str, str, str]]:
    """Return subject, title and picture of one portal venous series each, most findings first."""
    ordered = sorted(subjects, key=lambda one: (-len(one.findings), one.subject.subject_id))
    found = []
    for view in ordered:
        shown = (one for exam in view.exams for one in exam.phases if one.pictures)
        chosen = next((one for one in shown if one.series.label.endswith(_CONTACT)), None)
        if chosen is not None and chosen.pictures is not None:
            found.append((view.subject.subject_id, chosen.title, chosen.pictures.mosaic))
    return found[:_CONTACT_SUBJECTS]


def rating_series(exams: Sequence[ExamView], exam: str) -> tuple[SeriesView, ...]:
    """Return the series that the rating page of an exam shows, in reading order."""
    return tuple(
        replace(one, title=f"{_EXAM_PREFIX.get(view.study.role, '')}{one.title}")
        for view in exams
        if view.study.role in EXAM_ROLES[exam]
        for one in (*view.phases, *view.others)
        if one.pictures and one.pictures.sheets and is_rated(one.series, view.study.role)
    )


def rated_volumes(
    exams: Sequence[ExamView], exam: str
) -> tuple[tuple[str, tuple[ScrolledSeries, ...]], ...]:
    """Return role and series to scroll of each study of a rated exam.

    Study by study: positions of two studies are not comparable, the person lay down anew.
    """
    found = ((one.study.role, scrolled(rating_series([one], exam))) for one in exams)
    return tuple((role, series) for role, series in found if series)


def series_of_subjects(
    report: ReportInput, subjects: Collection[str]
) -> dict[str, tuple[SeriesView, ...]]:
    """Return the series of the baseline exams of some subjects, in reading order."""
    cohort = read_cohort(report.tables)
    few = replace(cohort, subjects=tuple(s for s in cohort.subjects if s.subject_id in subjects))
    return {
        view.subject.subject_id: tuple(
            one for exam in EXAM_ROLES for one in rating_series(view.exams, exam)
        )
        for view in view_subjects(report, few, (), {})
    }


def _baseline_mri(studies: Sequence[StudyRow], ct: date | None, reach: int) -> date | None:
    """Return the earlier MRI within its window, else the earlier one (decision D10)."""
    days = sorted(
        study.study_date_shifted
        for study in studies
        if study.role in EXAM_ROLES["mri"] and study.study_date_shifted
    )
    near = [day for day in days if ct is not None and abs((day - ct).days) <= reach]
    return next(iter(near or days), None)


def _events(rows: _Rows, ct: date | None) -> Iterable[Event]:
    found = [
        Event(
            "ct" if study.modality == "CT" else "mri",
            study.role,
            days_between(ct, study.study_date_shifted),
        )
        for study in rows.studies
    ]
    for specimen in rows.pathology:
        day = days_between(ct, specimen.specimen_date_shifted)
        found.append(
            Event("pathology", "specimen", day, specimen.procedure or "", "specimen_procedure")
        )
        reported = days_between(ct, specimen.report_date_shifted)
        found.append(Event("pathology", "pathology_report", reported))
    for image in rows.follow_up:
        day = days_between(ct, image.image_date_shifted)
        found.append(
            Event("follow_up", "follow_up_image", day, image.modality or "", "followup_modality")
        )
    for treatment in rows.treatment:
        day = days_between(ct, treatment.start_date_shifted)
        found.append(Event("treatment", "treatment", day, treatment.type or "", "treatment_type"))
    return sorted(found, key=lambda one: (one.day is None, one.day or 0, one.lane, one.kind))


def _criteria(rows: Iterable[CriterionRow], readings: Sequence[str]) -> tuple[CriterionView, ...]:
    found = {(row.criterion_id, row.reading): row for row in rows}
    return tuple(
        CriterionView(
            criterion_id=name,
            shown=found.get((name, readings[0])) if readings else None,
            effects=tuple(
                row.effect if (row := found.get((name, reading))) else "undetermined"
                for reading in readings
            ),
        )
        for name in CRITERIA
    )


def _exams(rows: _Rows, pictures: Mapping[str, VolumePictures]) -> tuple[ExamView, ...]:
    series_of: dict[str, list[SeriesRow]] = defaultdict(list)
    for series in rows.series:
        series_of[series.study_uid].append(series)
    return tuple(
        ExamView(
            study=study,
            phases=tuple(_series(series_of[study.study_uid], pictures, phases=True)),
            others=tuple(_series(series_of[study.study_uid], pictures, phases=False)),
            findings=tuple(
                one
                for one in order_findings(rows.findings)
                if one.object_id == study.study_uid and owner_of(one.fix_en) == "reviewer"
            ),
        )
        for study in sorted(rows.studies, key=_exam_order)
    )


def _exam_order(study: StudyRow) -> tuple[object, ...]:
    rank = _ROLE_ORDER.index(study.role) if study.role in _ROLE_ORDER else len(_ROLE_ORDER)
    day = study.days_from_baseline_ct
    return (rank, day is None, day or 0, study.study_uid)


def _series(
    members: Iterable[SeriesRow], pictures: Mapping[str, VolumePictures], *, phases: bool
) -> Iterable[SeriesView]:
    chosen = [one for one in members if _is_phase(one.label) is phases]
    for one in sorted(chosen, key=_series_order):
        yield SeriesView(one, title_of(one), pictures.get(one.sub_stack_digest))


def _is_phase(label: str) -> bool:
    return label.startswith(("CT_", "MR_T1_")) and label.endswith(_LABEL_ORDER)


def _series_order(series: SeriesRow) -> tuple[object, ...]:
    ending = "_" + series.label.rsplit("_", 1)[-1]
    rank = _LABEL_ORDER.index(ending) if ending in _LABEL_ORDER else len(_LABEL_ORDER)
    offset = series.acquisition_time_offset_seconds
    return (rank, series.label, offset or 0.0, series.series_uid, series.sub_stack_digest)
