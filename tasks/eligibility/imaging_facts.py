"""Facts from images: which exam is which, its day, phases, field strength and thickness.

Roles and labels come from harmonisation and are never derived anew. The EDC names the day
of a baseline exam; the day itself is that of the images (the EDC only checks it).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from schemas.clinical_rows import ClinicalRow
from schemas.partial_dates import PartialDate
from schemas.protocol import Choices, choices_of, read_protocol
from schemas.records import SeriesLabel
from tasks.eligibility.facts import NONE
from tasks.eligibility.subjects import Exam, SubjectRecord

BASELINE_ROLES = _CT, _DCE, _EOB = "baseline_ct", "dce_mri", "eob_mri"


@dataclass(frozen=True)
class BaselineExams:
    """The three baseline exams of a subject (restricted).

    `not_done` are those the EDC confirms were not made and of which no images came;
    `problems` are pairs of rule id and exam, for findings. `assumed` is the day of an MRI that
    has not come, in one of the ways it may yet come (`tasks.eligibility.missing_exams`).
    """

    exams: dict[str, Exam] = field(repr=False)
    not_done: frozenset[str]
    problems: tuple[tuple[str, str], ...]
    assumed: Mapping[str, dt.date] = field(default_factory=dict, repr=False)

    def date(self, role: str) -> dt.date | None:
        """Return the real day of an exam."""
        exam = self.exams.get(role)
        return exam.real_date if exam else None

    @property
    def baseline_mri(self) -> dt.date | None:
        """Return the day of the earlier MRI within its window; else of the earlier MRI (D10)."""
        return next(iter(self._qualifying_days()), None)

    @property
    def later_mri(self) -> dt.date | None:
        """Return the day of the later MRI within its window; else of the later MRI (D10)."""
        return next(iter(reversed(self._qualifying_days())), None)

    def _qualifying_days(self) -> list[dt.date]:
        known = [day for role in (_DCE, _EOB) if (day := self.date(role)) is not None]
        days = sorted([*known, *(self.assumed.values() if known else ())])
        ct, window = self.date(_CT), int(read_protocol().limit("mri_window_days"))
        if ct is not None:
            days = [day for day in days if abs((day - ct).days) <= window] or days
        return days


def find_baseline_exams(subject: SubjectRecord, choices: Choices | None = None) -> BaselineExams:
    """Return which study is the baseline CT, the DCE-MRI and the EOB-MRI of a subject.

    Of several studies with one role the EDC's date decides; without it the earliest CT on or
    after detection (D04), and nobody when that leaves a tie (D25) or several MRI. D27 says which
    agents make a DCE-MRI, D29 which attribute tells the day; without `choices` the default
    reading does.
    """
    chosen_options = choices or choices_of(read_protocol().default_reading)
    dated = _dated(subject, chosen_options)
    exams: dict[str, Exam] = {}
    not_done: set[str] = set()
    problems: list[tuple[str, str]] = []
    for role in BASELINE_ROLES:
        candidates = _candidates(dated, role, chosen_options)
        said_not_done = _said_not_done(subject.demographics, role)
        if said_not_done and not candidates:
            not_done.add(role)
            continue
        chosen, problem = _choose(subject.demographics, role, candidates)
        if said_not_done:
            problem = "ELIG_EXAM_SAID_NOT_DONE"
        if problem:
            problems.append((problem, role))
        if chosen is not None and not said_not_done:
            exams[role] = chosen
    return BaselineExams(exams, frozenset(not_done), tuple(problems))


def imaging_facts(baseline: BaselineExams, choices: Choices) -> dict[str, dict[str, object]]:
    """Return the facts that images give to I1, I3, I4, I5 and E1, in the facts format.

    D08 says which T2 series count.
    """
    ct = _iso(baseline.date(_CT))
    mri = {"dce": _mri_date(baseline, _DCE), "eob": _mri_date(baseline, _EOB)}
    return {
        "I1": {"ct": ct},
        "I3": {"ct": ct} | _ct_facts(baseline),
        "I4": {"ct": ct} | mri | _technique(baseline, choices),
        "I5": {"mri": _iso(baseline.baseline_mri), "mri_later": _iso(baseline.later_mri)},
        "E1": {"ct": ct, "mri": _iso(baseline.baseline_mri)},
    }


def _dated(subject: SubjectRecord, choices: Choices) -> SubjectRecord:
    """Return the subject with its exams on the days that D29 chooses."""
    if choices["D29"] != "study_date":
        return subject
    exams = [
        replace(exam, real_date=exam.registered_date, other_date=None) for exam in subject.exams
    ]
    return replace(subject, exams=tuple(exams))


def _candidates(subject: SubjectRecord, role: str, choices: Choices) -> list[Exam]:
    """Return the dated studies of a role; any CT may be the CT that the EDC names (D04)."""
    named_ct = role == _CT and subject.demographics and subject.demographics.date(f"{_CT}_date")
    return [
        exam
        for exam in subject.exams
        if exam.real_date
        and (
            exam.role.role == role
            or (named_ct and exam.role.modality == "CT")
            or (role == _DCE and _is_dce_by_choice(exam, choices))
        )
    ]


def _is_dce_by_choice(exam: Exam, choices: Choices) -> bool:
    """Return whether D27 makes a dynamic MRI with another agent a DCE-MRI."""
    agents = read_protocol().imaging.dce_agents[choices["D27"]]
    return (
        exam.role.role == "other"
        and exam.role.contrast_agent_class in agents
        and bool(_has_dynamic_phases(exam))
    )


def _said_not_done(demographics: ClinicalRow | None, role: str) -> bool:
    """Return whether the EDC confirms it: `no`, or ND as the date and nothing said beside it."""
    if demographics is None:
        return False
    done = demographics.text(f"{role}_done")
    return done == "no" or (done is None and demographics.is_not_done(f"{role}_date"))


def _choose(
    demographics: ClinicalRow | None, role: str, candidates: Sequence[Exam]
) -> tuple[Exam | None, str | None]:
    named = demographics.date(f"{role}_date") if demographics else None
    if named is not None:
        fitting = [exam for exam in candidates if _may_be_on(exam, named)]
        fitting = [exam for exam in fitting if exam.role.role == role] or fitting
        if not fitting:
            differs = "ELIG_CT_DATE_DIFFERS" if role == _CT else "ELIG_MRI_DATE_DIFFERS"
            return None, differs
    else:
        fitting = list(candidates)
        if role == _CT:
            fitting = _earliest_after_detection(demographics, fitting)
    if len(fitting) == 1:
        return fitting[0], None
    return None, "ELIG_SEVERAL_EXAMS" if fitting else None


def _may_be_on(exam: Exam, day: PartialDate) -> bool:
    return exam.real_date is not None and day.earliest <= exam.real_date <= day.latest


def _earliest_after_detection(
    demographics: ClinicalRow | None, candidates: Sequence[Exam]
) -> list[Exam]:
    detected = demographics.date("detected_date") if demographics else None
    days = [
        exam.real_date
        for exam in candidates
        if exam.real_date and (detected is None or exam.real_date >= detected.earliest)
    ]
    return [exam for exam in candidates if days and exam.real_date == min(days)]


def _ct_facts(baseline: BaselineExams) -> dict[str, object]:
    if _CT in baseline.not_done:
        return {"ct_received": False}
    exam = baseline.exams.get(_CT)
    if exam is None:
        return {}
    rules, found = read_protocol().imaging, exam.label_names()
    phases = {label.label for label in exam.labels if _is_decisive(label)} & set(rules.contrast_ct)
    # A phase that only lung, computed or split-spectrum images show is no image of the liver,
    # and no proof that there was none.
    open_labels = {*rules.unsettled, *rules.contrast_ct}
    if not phases and (found & open_labels or not found & set(rules.native_ct)):
        return {"ct_received": True}
    return {"ct_received": True, "ct_contrast_phases": len(phases)}


def _mri_date(baseline: BaselineExams, role: str) -> str | None:
    return NONE if role in baseline.not_done else _iso(baseline.date(role))


def _technique(baseline: BaselineExams, choices: Choices) -> dict[str, object]:
    """Return field strength, thicknesses, and whether the EOB-MRI has its dynamic phases."""
    found = {role: baseline.exams[role] for role in (_DCE, _EOB) if role in baseline.exams}
    if not found:
        return {}
    # What has not come may be thin, or thick: it stays open beside what has.
    absent: list[float | None] = [None] if _may_still_come(baseline, choices) else []
    facts: dict[str, object] = {
        "field_t": _lowest_field(list(found.values())),
        "t1_mm": [mm for role, exam in found.items() for mm in _t1_slots(role, exam)] + absent,
        "t2_mm": [mm for exam in found.values() for mm in _t2_series(exam, choices)] + absent,
    }
    if _EOB in found:
        facts["eob_dynamic"] = _has_dynamic_phases(found[_EOB])
    return facts


def _may_still_come(baseline: BaselineExams, choices: Choices) -> bool:
    """Return whether an MRI that I4 asks for has not come; one EOB-MRI may do for both (D05)."""
    needed = (_EOB,) if choices["D05"] == "combined_exam" else (_DCE, _EOB)
    return any(role not in baseline.exams and role not in baseline.not_done for role in needed)


def _lowest_field(exams: Sequence[Exam]) -> float | None:
    """Return the lowest field strength; None when one is unknown and the known ones pass."""
    known = [exam.role.field_strength_t for exam in exams if exam.role.field_strength_t]
    protocol = read_protocol()
    lowest_allowed = protocol.limit("field_min_t") - protocol.limit("field_tolerance_t")
    if known and (len(known) == len(exams) or min(known) < lowest_allowed):
        return min(known)
    return None


def _t1_slots(role: str, exam: Exam) -> list[float | None]:
    """Return the thickness of the best series of each required slot; None for an empty slot."""
    slots = read_protocol().imaging.required_t1[role]
    return [_thinnest([label for label in exam.labels if label.label == slot]) for slot in slots]


def _t2_series(exam: Exam, choices: Choices) -> list[float | None]:
    rules = read_protocol().imaging
    labels = rules.diagnostic_t2 + (rules.other_t2 if choices["D08"] == "all" else ())
    return [
        label.slice_thickness_mm
        for label in exam.labels
        if label.label in labels and _is_decisive(label)
    ]


def _thinnest(series: Sequence[SeriesLabel]) -> float | None:
    known = [
        label.slice_thickness_mm
        for label in series
        if label.slice_thickness_mm and _is_decisive(label)
    ]
    return min(known, default=None)


def _is_decisive(label: SeriesLabel) -> bool:
    return label.is_diagnostic and label.orientation == read_protocol().imaging.decisive_orientation


def _has_dynamic_phases(exam: Exam) -> bool | None:
    rules, found = read_protocol().imaging, exam.label_names()
    if set(rules.dynamic_t1) <= {label.label for label in exam.labels if _is_decisive(label)}:
        return True
    return None if found & {*rules.unsettled, *rules.dynamic_t1} else False


def _iso(day: dt.date | None) -> str | None:
    return day.isoformat() if day else None
