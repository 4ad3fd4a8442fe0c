"""What the registered criteria make of a story: the answer key of eligibility.

The effects are those of each reading (protocol V1.0, sections 3 to 5 and 8) over the evidence
delivered by a given night. They are worked out from the story, on paper as it were, and share
no line with the pipeline's own rules.
"""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass, replace

from tasks.simulate.people.scenarios import Evidence, Scenario, diagnosis_known

CRITERIA = ("I1", "I2", "I3", "I4", "I5", "E1", "E2", "E3", "E4")
UNKNOWN = "UK"
# A story without days of its own is the same on any day; this one has no month end near it.
_ANY_CT_DATE = dt.date(2025, 6, 10)
_MRI_WINDOW_DAYS = 15
_GAUSS_ABOVE, _GAUSS_PER_TESLA = 100.0, 10_000.0
# Between the strongest scanner of patients and the least that is read as gauss no unit is stated
# by the protocol: 15 may be kilogauss or an error, and is no field strength.
_STRONGEST_T = 12.0
_LEAST_FIELD_T, _MOST_T1_MM, _MOST_T2_MM = 1.5, 5.0, 8.0  # as registered
_PATHOLOGY_WINDOW_DAYS = 30
_FOLLOW_UP_MONTHS = 3
# The study ends on 31 December 2028; a window that its end cuts short cannot be failed (D21).
_LAST_MRI_FOR_FOLLOW_UP = dt.date(2028, 9, 30)
_LAST_MRI_FOR_PATHOLOGY = dt.date(2028, 12, 1)
_ADULT_YEARS = 18
_SITE_CLOSES_AFTER_DAYS = 92
_REPORT_AFTER_SPECIMEN_DAYS = 6

Days = tuple[dt.date, dt.date]


@dataclass(frozen=True, kw_only=True)
class Paper:
    """How one reading takes the registered text; the literal reading unless said otherwise.

    Dates of consent lie a day before the CT, reports six days behind the specimen.
    """

    age_at_consent: bool = False
    any_detection: bool = False
    combined_exam: bool = False
    earliest_mri_day: int = -_MRI_WINDOW_DAYS
    any_t1: bool = False
    tolerance: float = 0.05
    pathology_before_mri: bool = False
    later_mri: bool = False
    by_report: bool = False
    follow_up_days: int | None = None
    truncation_fails: bool = False
    treated_before: str = "ct"
    benign_needs_follow_up: bool = False
    same_day: str | None = None


LITERAL = Paper()
#: Readings that no story tells from the literal one are there as well: their key is that of it.
READINGS: dict[str, Paper] = {
    "literal": LITERAL,
    "combined_exam": Paper(combined_exam=True),
    "age_at_consent": Paper(age_at_consent=True),
    "any_detection": Paper(any_detection=True),
    "mri_after_ct": Paper(earliest_mri_day=0),
    "any_t1": Paper(any_t1=True),
    "all_t2": LITERAL,
    "pathology_either_way": Paper(pathology_before_mri=True),
    "later_mri": Paper(later_mri=True),
    "report_date": Paper(by_report=True),
    "follow_up_90_days": Paper(follow_up_days=90),
    "follow_up_84_days": Paper(follow_up_days=84),
    "treated_before_mri": Paper(treated_before="mri"),
    "treated_before_consent": Paper(treated_before="consent"),
    "no_systemic": LITERAL,
    "benign_follow_up_only": Paper(benign_needs_follow_up=True),
    "truncation_fails": Paper(truncation_fails=True),
    "no_tolerance": Paper(tolerance=0.0),
    "dce_with_gadobenate": LITERAL,
    "dce_with_any_agent": LITERAL,
    "study_dates": LITERAL,
    "screening_ct_apart": LITERAL,
    "same_day_excludes": Paper(same_day="before"),
    "same_day_allowed": Paper(same_day="after"),
}


def true_effects(
    story: Scenario, evidence: Evidence, paper: Paper = LITERAL, scanner_t: float = 3.0
) -> dict[str, str]:
    """Return the effect of each of the nine criteria under one reading.

    `scanner_t` is the field strength of the site's MRI, where the story names none.
    """
    return {
        "I1": _age_effect(story, paper),
        "I2": _detection_effect(story, evidence, paper),
        "I3": "pass" if story.ct_done and story.ct_contrast else "fail",
        "I4": _mri_effect(story, paper, scanner_t),
        "I5": _reference_effect(story, evidence, paper),
        "E1": _treatment_effect(story, paper),
        "E2": _quality_effect(story),
        "E3": _diagnosis_effect(story, evidence, paper),
        "E4": _inflammation_effect(story, evidence),
    }


def effects_without_the_ct(
    story: Scenario, evidence: Evidence, paper: Paper, scanner_t: float = 3.0
) -> dict[str, str]:
    """Return the effects while the CT that the EDC names has not come: what hangs on it is open.

    Nobody has confirmed that no CT was made, so that I3 cannot fail.
    """
    effects = true_effects(replace(story, ct_done=False), evidence, paper, scanner_t)
    return effects | {"I3": "undetermined"}


def true_status(effects: dict[str, str]) -> str:
    """Return eligible, ineligible or undetermined (Kleene AND over the nine)."""
    values = [effects[criterion] for criterion in CRITERIA]
    if "fail" in values:
        return "ineligible"
    return "undetermined" if "undetermined" in values else "eligible"


def months_later(day: dt.date, months: int) -> dt.date:
    """Return the same day of a later month, or that month's last day if it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return dt.date(year, month + 1, min(day.day, last))


def range_of(day: dt.date, precision: str) -> Days:
    """Return the first and last day that a date means when only year or month is known."""
    if precision == "year":
        return dt.date(day.year, 1, 1), dt.date(day.year, 12, 31)
    if precision == "month":
        last = calendar.monthrange(day.year, day.month)[1]
        return day.replace(day=1), day.replace(day=last)
    return day, day


def _between(low: bool, high: bool) -> str:
    """Return what both ends of a range agree on."""
    return {(True, True): "pass", (False, False): "fail"}.get((low, high), "undetermined")


def _age_effect(story: Scenario, paper: Paper) -> str:
    known = story.consent == "consented" if paper.age_at_consent else story.ct_done
    if not known:
        return "undetermined"
    if story.born_on is None:
        minor = story.age_years is not None and story.age_years < _ADULT_YEARS
        return "fail" if minor else "pass"
    day = (story.ct_date or _ANY_CT_DATE) - dt.timedelta(days=int(paper.age_at_consent))
    first, last = range_of(story.born_on, story.birth_precision)
    return _between(*(months_later(b, 12 * _ADULT_YEARS) <= day for b in (first, last)))


def _detection_effect(story: Scenario, evidence: Evidence, paper: Paper) -> str:
    first = None if evidence.corrected else story.first_entered_detected_by
    route = first or story.detected_by
    if route == UNKNOWN:
        return "undetermined"
    return "pass" if paper.any_detection or route in ("US", "screening_CT") else "fail"


def _mri_effect(story: Scenario, paper: Paper, scanner_t: float) -> str:
    days = (story.eob_day,) if paper.combined_exam else (story.dce_day, story.eob_day)
    if None in days:
        return "fail"
    outside = any(
        day is not None and not paper.earliest_mri_day <= day <= _MRI_WINDOW_DAYS for day in days
    )
    thick_t1 = story.t1_thickness_mm > _MOST_T1_MM + paper.tolerance
    # Where one thin T1 is enough, a phase that has not come may be it.
    fails_t1 = thick_t1 and not (paper.any_t1 and story.missing_slots)
    fails_t2 = story.t2_thickness_mm > _MOST_T2_MM + paper.tolerance
    field_t = _field_t(story, scanner_t)
    too_weak = field_t is not None and field_t < _LEAST_FIELD_T - paper.tolerance
    if fails_t1 or fails_t2 or too_weak or (outside and story.ct_done):
        return "fail"
    slots = [s for exam, s in story.missing_slots if exam == "eob_mri" or not paper.combined_exam]
    open_slot = bool(slots) and not (paper.any_t1 and not thick_t1)
    unknown = open_slot or field_t is None or not story.ct_done
    return "undetermined" if unknown else "pass"


def _field_t(story: Scenario, scanner_t: float) -> float | None:
    """Return the field strength in tesla; None for what no scanner of patients has."""
    field = scanner_t if story.field_t is None else story.field_t
    if field > _GAUSS_ABOVE:
        return field / _GAUSS_PER_TESLA
    return field if field <= _STRONGEST_T else None


def _reference_effect(story: Scenario, evidence: Evidence, paper: Paper) -> str:
    arms = [
        _pathology_arm(story, evidence, paper),
        _follow_up_arm(story, evidence, paper),
    ]
    mri = _baseline_mri(story, paper)
    if not paper.truncation_fails:
        lasts = (_LAST_MRI_FOR_PATHOLOGY, _LAST_MRI_FOR_FOLLOW_UP)
        arms = [_unless_cut_short(a, mri, last) for a, last in zip(arms, lasts, strict=True)]
    if not _label_stands(story, evidence):
        return "undetermined"
    if "pass" in arms:
        return "pass"
    return "undetermined" if "undetermined" in arms else "fail"


def _first_mri(story: Scenario) -> dt.date:
    return (story.ct_date or _ANY_CT_DATE) + dt.timedelta(days=story.baseline_mri_day)


def _baseline_mri(story: Scenario, paper: Paper) -> dt.date:
    if not paper.later_mri:
        return _first_mri(story)
    days = [day for day in (story.dce_day, story.eob_day) if day is not None]
    later = max([day for day in days if abs(day) <= _MRI_WINDOW_DAYS] or days)
    return (story.ct_date or _ANY_CT_DATE) + dt.timedelta(days=later)


def _unless_cut_short(arm: str, mri: dt.date, last: dt.date) -> str:
    return "undetermined" if arm == "fail" and mri > last else arm


def _pathology_arm(story: Scenario, evidence: Evidence, paper: Paper) -> str:
    if not evidence.pathology_form:
        return "undetermined"
    if story.pathology_day is None:
        return "fail"
    mri = _baseline_mri(story, paper)
    specimen = _first_mri(story) + dt.timedelta(days=story.pathology_day)
    report = specimen + dt.timedelta(days=_REPORT_AFTER_SPECIMEN_DAYS)
    first, last = range_of(specimen, story.specimen_precision)
    last = min(last, report)
    if paper.by_report:
        first = last = report
    least = -_PATHOLOGY_WINDOW_DAYS if paper.pathology_before_mri else 0
    low, high = (first - mri).days, (last - mri).days
    if low < least and high > _PATHOLOGY_WINDOW_DAYS:
        return "undetermined"
    return _between(*(least <= days <= _PATHOLOGY_WINDOW_DAYS for days in (low, high)))


def _follow_up_arm(story: Scenario, evidence: Evidence, paper: Paper) -> str:
    if story.follow_up_day is None or not evidence.follow_up:
        return "undetermined"
    mri = _baseline_mri(story, paper)
    image = _first_mri(story) + dt.timedelta(days=story.follow_up_day)
    due = months_later(mri, _FOLLOW_UP_MONTHS)
    if paper.follow_up_days is not None:
        due = mri + dt.timedelta(days=paper.follow_up_days)
    if image >= due:
        return "undetermined" if _removed_before(story, story.follow_up_day) else "pass"
    # The site calls a follow-up of three months complete, whichever MRI it is counted from.
    closed = story.follow_up_closed or story.follow_up_day >= _SITE_CLOSES_AFTER_DAYS
    return "fail" if closed else "undetermined"


def _removed_before(story: Scenario, day: int) -> bool:
    """Whether the lesion was cut out by then: later images show its bed."""
    removed = story.pathology_day is not None and story.procedure == "resection"
    return removed and story.reference_class != "metastasis" and (story.pathology_day or 0) <= day


def _label_stands(story: Scenario, evidence: Evidence) -> bool:
    """Whether the forms go together: tissue of the lesion with the route that the site names."""
    if story.conflict is not None and not evidence.mended:
        return False
    return story.pathology_day is None or story.route in ("pathology", "followup")


def _treatment_effect(story: Scenario, paper: Paper) -> str:
    if story.prior_treatment is None:
        return "undetermined"
    if not story.prior_treatment:
        return "pass"
    known = {"ct": story.ct_done, "mri": True, "consent": story.consent == "consented"}
    anchor = {"ct": 0, "mri": story.baseline_mri_day, "consent": -1}
    if not known[paper.treated_before]:
        return "undetermined"
    day = anchor[paper.treated_before]
    if story.treatment_day == day and paper.same_day is None:
        return "undetermined"  # nobody knows which came first (D28)
    last = day if paper.same_day == "before" else day - 1
    return "fail" if story.treatment_day <= last else "pass"


def _quality_effect(story: Scenario) -> str:
    if story.quality is None or story.quality_viewed != "full_series":
        return "undetermined"
    if story.adjudicated_quality is not None:
        return "fail" if story.adjudicated_quality == "inadequate" else "pass"
    said = {story.quality, story.second_quality or story.quality}
    if "inadequate" not in said:
        return "pass"
    return "fail" if said == {"inadequate"} else "undetermined"


def _diagnosis_effect(story: Scenario, evidence: Evidence, paper: Paper) -> str:
    if not diagnosis_known(story, evidence):
        return "undetermined"
    if story.reference_class == "indeterminate":
        return "fail"
    if not _label_stands(story, evidence):
        return "undetermined"
    accepted = ("pathology",) if story.malignant else ("pathology", "followup")
    if not story.malignant and story.route == "followup":
        enough = _follow_up_arm(story, evidence, paper) == "pass"
        return "pass" if enough else "undetermined"
    if paper.benign_needs_follow_up and not story.malignant:
        accepted = ("followup",)
    return "pass" if story.route in accepted else "fail"


def _inflammation_effect(story: Scenario, evidence: Evidence) -> str:
    if not diagnosis_known(story, evidence):
        return "undetermined"
    return "fail" if story.inflammatory else "pass"
