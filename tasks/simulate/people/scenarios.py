"""What each invented subject's story is: dates, exams, evidence; and the tables of stories.

Days count from the baseline CT; pathology and follow-up from the baseline MRI. A story with
`ct_date` happens on those days of the calendar, because its limit depends on the calendar.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

_MRI_WINDOW_DAYS = 15


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One story; without `age_years` the person has an age that goes with the diagnosis."""

    name: str
    age_years: int | None = None
    born_on: dt.date | None = None
    birth_precision: str = "day"
    ct_date: dt.date | None = None
    ct_done: bool = True
    ct_contrast: bool = True
    detected_by: str = "US"
    first_entered_detected_by: str | None = None
    reference_class: str = "HCC"
    route: str = "pathology"
    dce_day: int | None = 3
    eob_day: int | None = 6
    pathology_day: int | None = 14
    specimen_precision: str = "day"
    procedure: str = "resection"
    follow_up_day: int | None = None
    follow_up_closed: bool = False
    prior_treatment: bool | None = False
    treatment_day: int = -200
    quality: str | None = "adequate"
    quality_viewed: str = "full_series"
    second_quality: str | None = None
    adjudicated_quality: str | None = None
    t1_thickness_mm: float = 3.0
    t2_thickness_mm: float = 6.0
    field_t: float | None = None
    missing_slots: tuple[tuple[str, str], ...] = ()
    several_patient_ids: bool = False
    phases_in_one_series: bool = False
    withdrawn_on_night: int | None = None
    consent: str = "consented"
    consent_documented: bool = True
    ascertainment: str = "prospective"
    conflict: str | None = None

    @property
    def malignant(self) -> bool:
        """Whether the lesion is malignant."""
        return self.reference_class in ("HCC", "ICC", "metastasis")

    @property
    def inflammatory(self) -> bool:
        """Whether the lesion is a focal inflammatory one."""
        return self.reference_class == "inflammatory"

    @property
    def baseline_mri_day(self) -> int:
        """Day of the earlier baseline MRI within its window, else of the earlier one."""
        days = [day for day in (self.dce_day, self.eob_day) if day is not None]
        return min([day for day in days if abs(day) <= _MRI_WINDOW_DAYS] or days)


@dataclass(frozen=True)
class Evidence:
    """Which evidence a site has delivered by a given night.

    `corrected` says whether a first entry was corrected, `mended` whether forms that contradict
    themselves were.
    """

    pathology_form: bool
    follow_up: bool
    corrected: bool = True
    mended: bool = True
    consent: str = "consented"


def diagnosis_known(story: Scenario, evidence: Evidence) -> bool:
    """Whether the site can have entered the final diagnosis by then."""
    if story.route == "pathology":
        return evidence.pathology_form
    return story.route != "followup" or evidence.follow_up


# The order is what the demo shows first: three sites of three subjects take the first nine.
EVERYDAY: tuple[Scenario, ...] = (
    Scenario(name="resected HCC", several_patient_ids=True),
    Scenario(
        name="haemangioma, followed up on the second night", reference_class="haemangioma",
        route="followup", pathology_day=None, follow_up_day=120, detected_by="screening_CT",
    ),
    Scenario(name="EOB-MRI on day 16", eob_day=16, reference_class="ICC"),
    Scenario(name="biopsied metastasis on day 30, MRI on day 15",
             reference_class="metastasis", dce_day=14, eob_day=15, pathology_day=30,
             t1_thickness_mm=5.0, several_patient_ids=True),
    Scenario(name="one gadoxetate exam only", dce_day=None, eob_day=5),
    Scenario(name="chemoembolised before", prior_treatment=True, phases_in_one_series=True),
    Scenario(
        name="FNH, followed up on the second night", reference_class="FNH", route="followup",
        pathology_day=None, follow_up_day=98, several_patient_ids=True, age_years=34,
    ),
    Scenario(name="HCC, quality not rated", quality=None, dce_day=-4, eob_day=2),
    Scenario(name="abscess", reference_class="inflammatory", route="pathology"),
    Scenario(name="HCC by imaging only", route="imaging", pathology_day=None,
             follow_up_day=100, follow_up_closed=True),
    Scenario(name="resected ICC", reference_class="ICC", pathology_day=0),
    Scenario(name="thick T1", t1_thickness_mm=6.0),
    Scenario(name="found on MRI", detected_by="MRI"),
    Scenario(name="seventeen years old", age_years=17, reference_class="adenoma"),
    Scenario(name="adenoma, resected", reference_class="adenoma", age_years=18),
    Scenario(name="motion", quality="inadequate"),
    Scenario(name="cyst, early follow-up, open", reference_class="cyst", route="followup",
             pathology_day=None, follow_up_day=60),
    Scenario(name="pathology on day 31", pathology_day=31, follow_up_day=110,
             procedure="biopsy"),
)  # fmt: skip
