"""Everything known of one subject, side by side, with real dates (restricted memory only)."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.clinical_rows import ClinicalRow
from schemas.records import CohortLabels, SeriesLabel, StudyRole


@dataclass(frozen=True)
class Exam:
    """One imaging study with its real dates and its labelled sub-stacks (restricted).

    `real_date` is the day of acquisition, `other_date` another day on which images of it were
    acquired, `registered_date` the day that StudyDate names (D29).
    """

    role: StudyRole
    real_date: dt.date | None = field(repr=False)
    labels: tuple[SeriesLabel, ...]
    other_date: dt.date | None = field(default=None, repr=False)
    registered_date: dt.date | None = field(default=None, repr=False)

    def label_names(self) -> set[str]:
        """Return the labels found in this study."""
        return {label.label for label in self.labels}


@dataclass(frozen=True)
class SubjectRecord:
    """Forms and images of one subject (restricted).

    `shift_days` is None when nobody knows it: the images then have no real date.
    """

    subject_id: str
    site: str
    shift_days: int | None = field(repr=False)
    rows: tuple[ClinicalRow, ...] = field(repr=False)
    exams: tuple[Exam, ...] = field(repr=False)

    def form(self, name: str) -> list[ClinicalRow]:
        """Return the rows of one form, by key."""
        return [row for row in self.rows if row.form == name]

    @property
    def demographics(self) -> ClinicalRow | None:
        """Return the row of the demographics form."""
        return next(iter(self.form("demographics")), None)

    def shifted(self, day: dt.date | None) -> dt.date | None:
        """Return a real date as it may leave the restricted zone."""
        if day is None or self.shift_days is None:
            return None
        return day - dt.timedelta(days=self.shift_days)


def collect_subjects(
    rows: Iterable[ClinicalRow], labels: CohortLabels, shift_days: Mapping[str, int] | None = None
) -> list[SubjectRecord]:
    """Return every enrolled subject that any form or image names, sorted.

    Parameters
    ----------
    rows : iterable of ClinicalRow
        Merged rows in force; those of persons never enrolled are passed over.
    labels : CohortLabels
        Labels and roles with shifted dates; they are turned back with the subject's shift.
    shift_days : mapping of subject_id to int, optional
        The vault's shifts, for subjects of whom only images came.
    """
    forms: dict[str, list[ClinicalRow]] = defaultdict(list)
    for row in rows:
        if row.enrolled:
            forms[row.subject_id].append(row)
    studies: dict[str, list[StudyRole]] = defaultdict(list)
    for study in labels.studies:
        if study.subject_id is not None:
            studies[study.subject_id].append(study)
    series: dict[str | None, list[SeriesLabel]] = defaultdict(list)
    for label in labels.series:
        series[label.study_uid].append(label)
    return [
        _record(
            subject_id,
            forms[subject_id],
            studies[subject_id],
            series,
            _shift_of(subject_id, forms[subject_id], shift_days or {}),
        )
        for subject_id in sorted(forms.keys() | studies.keys())
    ]


def _record(
    subject_id: str,
    rows: list[ClinicalRow],
    studies: list[StudyRole],
    series: dict[str | None, list[SeriesLabel]],
    shift_days: int | None,
) -> SubjectRecord:
    exams = [
        Exam(
            study,
            _real_date(study.study_date, shift_days),
            tuple(series[study.study_uid]),
            other_date=_real_date(study.last_date, shift_days),
            registered_date=_real_date(study.registered_date, shift_days),
        )
        for study in sorted(studies, key=lambda study: study.study_uid)
    ]
    return SubjectRecord(
        subject_id=subject_id,
        site=rows[0].site if rows else subject_id.partition("-")[0],
        shift_days=shift_days,
        rows=tuple(sorted(rows, key=lambda row: (row.form, row.key))),
        exams=tuple(exams),
    )


def _shift_of(
    subject_id: str, rows: list[ClinicalRow], shift_days: Mapping[str, int]
) -> int | None:
    return rows[0].shift_days if rows else shift_days.get(subject_id)


def _real_date(shifted: str | None, shift_days: int | None) -> dt.date | None:
    """Return the day behind a DICOM date (YYYYMMDD) that was shifted back."""
    if shifted is None or shift_days is None:
        return None
    try:
        day = dt.datetime.strptime(shifted, "%Y%m%d").replace(tzinfo=dt.UTC).date()
    except ValueError:
        return None
    return day + dt.timedelta(days=shift_days)
