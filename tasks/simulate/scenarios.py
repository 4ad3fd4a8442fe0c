"""What each invented subject's story is, and what the registered criteria make of it.

The effects stated here are those of the literal reading (protocol V1.0, section 3 of the
criteria) over the evidence delivered by a given night; they are the answer key and are
worked out from the story, not from the pipeline's own rules.
"""

from __future__ import annotations

from dataclasses import dataclass

_LEAST_FIELD_T = 1.45  # 1.5 T as scanners state it
CRITERIA = ("I1", "I2", "I3", "I4", "I5", "E1", "E2", "E3", "E4")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One story. Days count from the baseline CT; pathology and follow-up from baseline MRI."""

    name: str
    age_years: int = 57
    detected_by: str = "US"
    reference_class: str = "HCC"
    route: str = "pathology"
    dce_day: int | None = 3
    eob_day: int | None = 6
    pathology_day: int | None = 14
    follow_up_day: int | None = None
    follow_up_closed: bool = False
    prior_treatment: bool = False
    quality: str | None = "adequate"
    t1_thickness_mm: float = 3.0
    several_patient_ids: bool = False
    phases_in_one_series: bool = False
    field_t: float | None = None
    missing_labels: tuple[str, ...] = ()

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
        """Day of the earlier of the two baseline MRI exams."""
        return min(day for day in (self.dce_day, self.eob_day) if day is not None)


@dataclass(frozen=True)
class Evidence:
    """Which evidence a site has delivered by a given night."""

    pathology_form: bool
    follow_up: bool


def true_effects(story: Scenario, evidence: Evidence) -> dict[str, str]:
    """Return the effect of each of the nine criteria, literal reading."""
    return {
        "I1": "pass" if story.age_years >= 18 else "fail",
        "I2": "pass" if story.detected_by in ("US", "screening_CT") else "fail",
        "I3": "pass",
        "I4": _mri_effect(story, both=True),
        "I5": _reference_effect(story, evidence),
        "E1": "fail" if story.prior_treatment else "pass",
        "E2": {None: "undetermined", "inadequate": "fail"}.get(story.quality, "pass"),
        "E3": _diagnosis_effect(story, evidence),
        "E4": _inflammation_effect(story, evidence),
    }


def combined_exam_effect(story: Scenario) -> str:
    """Return the effect of I4 when one gadoxetate exam is enough."""
    return _mri_effect(story, both=False)


def true_status(effects: dict[str, str]) -> str:
    """Return eligible, ineligible or undetermined (Kleene AND over the nine)."""
    values = [effects[criterion] for criterion in CRITERIA]
    if "fail" in values:
        return "ineligible"
    return "undetermined" if "undetermined" in values else "eligible"


def diagnosis_known(story: Scenario, evidence: Evidence) -> bool:
    """Whether the site can have entered the final diagnosis by then."""
    if story.route == "pathology":
        return evidence.pathology_form
    return story.route != "followup" or evidence.follow_up


def _mri_effect(story: Scenario, *, both: bool) -> str:
    days = (story.dce_day, story.eob_day) if both else (story.eob_day,)
    if any(day is None or abs(day) > 15 for day in days):
        return "fail"
    if story.missing_labels or (story.field_t is not None and story.field_t < _LEAST_FIELD_T):
        return "fail"
    return "pass" if story.t1_thickness_mm <= 5.05 else "fail"


def _reference_effect(story: Scenario, evidence: Evidence) -> str:
    in_window = story.pathology_day is not None and 0 <= story.pathology_day <= 30
    long_enough = story.follow_up_day is not None and story.follow_up_day >= 92
    if (in_window and evidence.pathology_form) or (long_enough and evidence.follow_up):
        return "pass"
    if not evidence.pathology_form:
        return "undetermined"
    return "fail" if story.follow_up_closed and evidence.follow_up else "undetermined"


def _diagnosis_effect(story: Scenario, evidence: Evidence) -> str:
    if not diagnosis_known(story, evidence):
        return "undetermined"
    if story.reference_class == "indeterminate":
        return "fail"
    accepted = ("pathology",) if story.malignant else ("pathology", "followup")
    return "pass" if story.route in accepted else "fail"


def _inflammation_effect(story: Scenario, evidence: Evidence) -> str:
    if not diagnosis_known(story, evidence):
        return "undetermined"
    return "fail" if story.inflammatory else "pass"


# The order is what the demo shows first: three sites of three subjects take the first nine.
SCENARIOS: tuple[Scenario, ...] = (
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
    Scenario(name="pathology on day 31", pathology_day=31, follow_up_day=110),
)  # fmt: skip
