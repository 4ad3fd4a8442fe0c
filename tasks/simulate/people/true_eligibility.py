"""What the registered criteria make of a story: the answer key of eligibility.

The effects are those of the literal reading (protocol V1.0, sections 3 to 5) over the evidence
delivered by a given night. They are worked out from the story, on paper as it were, and share
no line with the pipeline's own rules.
"""

from __future__ import annotations

import calendar
import datetime as dt

from tasks.simulate.people.scenarios import Evidence, Scenario, diagnosis_known

CRITERIA = ("I1", "I2", "I3", "I4", "I5", "E1", "E2", "E3", "E4")
UNKNOWN = "UK"
# A story without days of its own is the same on any day; this one has no month end near it.
_ANY_CT_DATE = dt.date(2025, 6, 10)
_MRI_WINDOW_DAYS = 15
_LEAST_FIELD_T = 1.45  # registered 1.5, tolerance 0.05 (D23)
_GAUSS_ABOVE, _GAUSS_PER_TESLA = 100.0, 10_000.0
_MOST_T1_MM, _MOST_T2_MM = 5.05, 8.05  # registered 5 and 8, tolerance 0.05 (D23)
_PATHOLOGY_WINDOW_DAYS = 30
_FOLLOW_UP_MONTHS = 3
# The study ends on 31 December 2028; a window that its end cuts short cannot be failed (D21).
_LAST_MRI_FOR_FOLLOW_UP = dt.date(2028, 9, 30)
_LAST_MRI_FOR_PATHOLOGY = dt.date(2028, 12, 1)
_ADULT_YEARS = 18
_REPORT_AFTER_SPECIMEN_DAYS = 6

Days = tuple[dt.date, dt.date]


def true_effects(story: Scenario, evidence: Evidence) -> dict[str, str]:
    """Return the effect of each of the nine criteria, literal reading."""
    return {
        "I1": _age_effect(story),
        "I2": _detection_effect(story, evidence),
        "I3": "pass" if story.ct_done and story.ct_contrast else "fail",
        "I4": _mri_effect(story, combined=False),
        "I5": _reference_effect(story, evidence),
        "E1": _treatment_effect(story),
        "E2": _quality_effect(story),
        "E3": _diagnosis_effect(story, evidence),
        "E4": _inflammation_effect(story, evidence),
    }


def combined_exam_effect(story: Scenario) -> str:
    """Return the effect of I4 when one gadoxetate exam is enough."""
    return _mri_effect(story, combined=True)


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


def _age_effect(story: Scenario) -> str:
    if not story.ct_done:
        return "undetermined"
    if story.born_on is None:
        minor = story.age_years is not None and story.age_years < _ADULT_YEARS
        return "fail" if minor else "pass"
    ct = story.ct_date or _ANY_CT_DATE
    first, last = range_of(story.born_on, story.birth_precision)
    return _between(*(months_later(b, 12 * _ADULT_YEARS) <= ct for b in (first, last)))


def _detection_effect(story: Scenario, evidence: Evidence) -> str:
    first = None if evidence.corrected else story.first_entered_detected_by
    route = first or story.detected_by
    if route == UNKNOWN:
        return "undetermined"
    return "pass" if route in ("US", "screening_CT") else "fail"


def _mri_effect(story: Scenario, *, combined: bool) -> str:
    days = (story.eob_day,) if combined else (story.dce_day, story.eob_day)
    if None in days:
        return "fail"
    outside = any(day is not None and abs(day) > _MRI_WINDOW_DAYS for day in days)
    slots = [slot for exam, slot in story.missing_slots if exam == "eob_mri" or not combined]
    too_thick = story.t1_thickness_mm > _MOST_T1_MM or story.t2_thickness_mm > _MOST_T2_MM
    if too_thick or _too_weak(story) or (outside and story.ct_done):
        return "fail"
    return "undetermined" if slots or not story.ct_done else "pass"


def _too_weak(story: Scenario) -> bool:
    field = story.field_t
    if field is None:
        return False
    return (field / _GAUSS_PER_TESLA if field > _GAUSS_ABOVE else field) < _LEAST_FIELD_T


def _reference_effect(story: Scenario, evidence: Evidence) -> str:
    mri = _baseline_mri(story)
    arms = (
        _unless_cut_short(_pathology_arm(story, evidence), mri, _LAST_MRI_FOR_PATHOLOGY),
        _unless_cut_short(_follow_up_arm(story, evidence), mri, _LAST_MRI_FOR_FOLLOW_UP),
    )
    if not _label_stands(story):
        return "undetermined"
    if "pass" in arms:
        return "pass"
    return "undetermined" if "undetermined" in arms else "fail"


def _baseline_mri(story: Scenario) -> dt.date:
    return (story.ct_date or _ANY_CT_DATE) + dt.timedelta(days=story.baseline_mri_day)


def _unless_cut_short(arm: str, mri: dt.date, last: dt.date) -> str:
    return "undetermined" if arm == "fail" and mri > last else arm


def _pathology_arm(story: Scenario, evidence: Evidence) -> str:
    if not evidence.pathology_form:
        return "undetermined"
    if story.pathology_day is None:
        return "fail"
    mri = _baseline_mri(story)
    specimen = mri + dt.timedelta(days=story.pathology_day)
    first, last = range_of(specimen, story.specimen_precision)
    last = min(last, specimen + dt.timedelta(days=_REPORT_AFTER_SPECIMEN_DAYS))
    inside = [0 <= (day - mri).days <= _PATHOLOGY_WINDOW_DAYS for day in (first, last)]
    if first < mri and (last - mri).days > _PATHOLOGY_WINDOW_DAYS:
        return "undetermined"
    return _between(*inside)


def _follow_up_arm(story: Scenario, evidence: Evidence) -> str:
    if story.follow_up_day is None or not evidence.follow_up:
        return "undetermined"
    mri = _baseline_mri(story)
    image = mri + dt.timedelta(days=story.follow_up_day)
    if image >= months_later(mri, _FOLLOW_UP_MONTHS):
        return "undetermined" if _removed_before(story, story.follow_up_day) else "pass"
    return "fail" if story.follow_up_closed else "undetermined"


def _removed_before(story: Scenario, day: int) -> bool:
    """Whether the lesion was cut out by then: later images show its bed."""
    removed = story.pathology_day is not None and story.procedure == "resection"
    return removed and story.reference_class != "metastasis" and (story.pathology_day or 0) <= day


def _label_stands(story: Scenario) -> bool:
    """Whether tissue of the lesion and the route that the site names go together."""
    return story.pathology_day is None or story.route in ("pathology", "followup")


def _treatment_effect(story: Scenario) -> str:
    if story.prior_treatment is None:
        return "undetermined"
    if not story.prior_treatment:
        return "pass"
    if not story.ct_done:
        return "undetermined"
    if story.treatment_day == 0:
        return "undetermined"  # nobody knows which came first (D28)
    return "fail" if story.treatment_day < 0 else "pass"


def _quality_effect(story: Scenario) -> str:
    if story.quality is None or story.quality_viewed != "full_series":
        return "undetermined"
    if story.adjudicated_quality is not None:
        return "fail" if story.adjudicated_quality == "inadequate" else "pass"
    said = {story.quality, story.second_quality or story.quality}
    if "inadequate" not in said:
        return "pass"
    return "fail" if said == {"inadequate"} else "undetermined"


def _diagnosis_effect(story: Scenario, evidence: Evidence) -> str:
    if not diagnosis_known(story, evidence):
        return "undetermined"
    if story.reference_class == "indeterminate":
        return "fail"
    if not _label_stands(story):
        return "undetermined"
    accepted = ("pathology",) if story.malignant else ("pathology", "followup")
    if not story.malignant and story.route == "followup":
        return "pass" if _follow_up_arm(story, evidence) == "pass" else "undetermined"
    return "pass" if story.route in accepted else "fail"


def _inflammation_effect(story: Scenario, evidence: Evidence) -> str:
    if not diagnosis_known(story, evidence):
        return "undetermined"
    return "fail" if story.inflammatory else "pass"
