"""Stories on both sides of every limit of the protocol, each with its verdict stated by hand.

`differs` names the criteria that do not pass once all evidence is in; all others pass. A test
holds these statements against `true_eligibility`, so that neither follows from the other.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from tasks.simulate.people.scenarios import Scenario


@dataclass(frozen=True)
class BoundaryStory:
    """One story and what is stated of it."""

    story: Scenario
    differs: dict[str, str]


def _at(name: str, differs: dict[str, str] | None = None, **story: Any) -> BoundaryStory:
    return BoundaryStory(Scenario(name=name, **story), differs or {})


def _benign(**story: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "reference_class": "FNH", "route": "followup", "pathology_day": None,
        "detected_by": "screening_CT",
    }  # fmt: skip
    return plain | story


_DAY = dt.date
_SUMMER = _DAY(2025, 6, 10)
_OPEN = "undetermined"

BOUNDARIES: tuple[BoundaryStory, ...] = (
    # I1: the 18th birthday against the day of the baseline CT.
    _at("CT on the 18th birthday", ct_date=_SUMMER, born_on=_DAY(2007, 6, 10), age_years=18),
    _at("CT on the eve of the 18th birthday", {"I1": "fail"},
        ct_date=_SUMMER, born_on=_DAY(2007, 6, 11), age_years=17),
    _at("born on 29 February, CT on 28 February", ct_date=_DAY(2026, 2, 28),
        born_on=_DAY(2008, 2, 29), age_years=18),
    _at("born on 29 February, CT on 27 February", {"I1": "fail"}, ct_date=_DAY(2026, 2, 27),
        born_on=_DAY(2008, 2, 29), age_years=17),
    _at("only the year of birth known, 18 years before", {"I1": _OPEN}, ct_date=_SUMMER,
        born_on=_DAY(2007, 3, 5), birth_precision="year", age_years=18),
    _at("only the year of birth known, 19 years before", ct_date=_SUMMER,
        born_on=_DAY(2006, 11, 5), birth_precision="year", age_years=18),
    _at("month of birth known, the month of the CT", {"I1": _OPEN}, ct_date=_SUMMER,
        born_on=_DAY(2007, 6, 2), birth_precision="month", age_years=18),
    _at("month of birth known, the month before", ct_date=_SUMMER,
        born_on=_DAY(2007, 5, 31), birth_precision="month", age_years=18),
    # I2: routes of detection.
    _at("found by screening CT", detected_by="screening_CT"),
    _at("found by another route", {"I2": "fail"}, detected_by="other"),
    _at("route of detection unknown", {"I2": _OPEN}, detected_by="UK"),
    # I3: the baseline CT.
    _at("CT without contrast", {"I3": "fail"}, ct_contrast=False),
    _at("no CT was made", {"I1": _OPEN, "I3": "fail", "I4": _OPEN}, ct_done=False),
    # I4: days, both directions, both exams.
    _at("DCE-MRI 15 days after CT", dce_day=15, eob_day=3),
    _at("DCE-MRI 16 days after CT", {"I4": "fail"}, dce_day=16, eob_day=3),
    _at("EOB-MRI 15 days after CT", dce_day=3, eob_day=15),
    _at("DCE-MRI 15 days before CT", dce_day=-15, eob_day=3),
    _at("EOB-MRI 16 days before CT", {"I4": "fail"}, dce_day=3, eob_day=-16),
    # I4: field strength and thickness, with their tolerances.
    _at("1.45 T", field_t=1.45),
    _at("1.44 T", {"I4": "fail"}, field_t=1.44),
    _at("1.0 T", {"I4": "fail"}, field_t=1.0),
    _at("15 000 gauss", field_t=15000.0),
    _at("T1 of 5.0 mm", t1_thickness_mm=5.0),
    _at("T1 of 5.05 mm", t1_thickness_mm=5.05),
    _at("T1 of 5.06 mm", {"I4": "fail"}, t1_thickness_mm=5.06),
    _at("T2 of 8.0 mm", t2_thickness_mm=8.0),
    _at("T2 of 8.05 mm", t2_thickness_mm=8.05),
    _at("T2 of 8.06 mm", {"I4": "fail"}, t2_thickness_mm=8.06),
    _at("DCE-MRI without portal venous phase", {"I4": _OPEN},
        missing_slots=(("dce_mri", "MR_T1_PVP"),)),
    _at("EOB-MRI without hepatobiliary phase", {"I4": _OPEN},
        missing_slots=(("eob_mri", "MR_T1_HBP"),)),
    # I5a: the specimen, 0 to 30 days after the baseline MRI.
    _at("specimen on the day of the MRI", pathology_day=0),
    _at("specimen the day before the MRI", {"I5": _OPEN}, pathology_day=-1),
    _at("specimen on day 30", pathology_day=30),
    _at("specimen on day 31, no follow-up", {"I5": _OPEN}, pathology_day=31),
    _at("specimen month known, all of it inside", ct_date=_DAY(2025, 3, 1), dce_day=0, eob_day=2,
        pathology_day=12, specimen_precision="month"),
    _at("specimen month known, begun before the MRI", {"I5": _OPEN}, ct_date=_DAY(2025, 3, 7),
        dce_day=3, eob_day=4, pathology_day=12, specimen_precision="month"),
    # I5b: three calendar months, clamped to the end of the month.
    _at("MRI 30 November, follow-up 28 February", ct_date=_DAY(2025, 11, 27), dce_day=3,
        eob_day=5, **_benign(follow_up_day=90)),
    _at("MRI 30 November, follow-up 27 February, closed", {"I5": "fail", "E3": _OPEN},
        ct_date=_DAY(2025, 11, 27), dce_day=3, eob_day=5,
        **_benign(follow_up_day=89, follow_up_closed=True)),
    _at("MRI 30 November, follow-up 27 February, open", {"I5": _OPEN, "E3": _OPEN},
        ct_date=_DAY(2025, 11, 27), dce_day=3, eob_day=5, **_benign(follow_up_day=89)),
    _at("MRI 31 May, follow-up 31 August", ct_date=_DAY(2025, 5, 28), dce_day=3, eob_day=4,
        **_benign(follow_up_day=92)),
    _at("MRI 31 May, follow-up 30 August, closed", {"I5": "fail", "E3": _OPEN},
        ct_date=_DAY(2025, 5, 28),
        dce_day=3, eob_day=4, **_benign(follow_up_day=91, follow_up_closed=True)),
    _at("MRI 31 January, follow-up 30 April", ct_date=_DAY(2025, 1, 28), dce_day=3, eob_day=4,
        **_benign(follow_up_day=89)),
    _at("MRI 28 February, follow-up 28 May", ct_date=_DAY(2025, 2, 26), dce_day=2, eob_day=4,
        **_benign(follow_up_day=89)),
    # I5: a window that the end of the study cuts short.
    _at("MRI 30 September 2028, early follow-up, closed", {"I5": "fail", "E3": _OPEN},
        ct_date=_DAY(2028, 9, 27), dce_day=3, eob_day=5,
        **_benign(follow_up_day=60, follow_up_closed=True)),
    _at("MRI 1 October 2028, early follow-up, closed: cut short by the end of the study",
        {"I5": _OPEN, "E3": _OPEN}, ct_date=_DAY(2028, 9, 28), dce_day=3, eob_day=5,
        **_benign(follow_up_day=60, follow_up_closed=True)),
    _at("MRI 2 December 2028, specimen on day 31: cut short by the end of the study",
        {"I5": _OPEN}, ct_date=_DAY(2028, 11, 29), dce_day=3, eob_day=5, pathology_day=31),
    # Consent, which no criterion asks for and every release does.
    _at("retrospective, consent waived", ascertainment="retrospective", consent="waived"),
    _at("retrospective, waiver without its document", ascertainment="retrospective",
        consent="waived", consent_documented=False),
    _at("consent unclear", consent="unknown", consent_documented=False),
    # E1: treatment against the day of the CT.
    _at("treated on the day before the CT", {"E1": "fail"}, prior_treatment=True,
        treatment_day=-1),
    _at("treated on the day of the CT", {"E1": _OPEN}, prior_treatment=True, treatment_day=0),
    _at("prior treatment unknown", {"E1": _OPEN}, prior_treatment=None),
    # E2: who rated what, on what.
    _at("quality limited but assessable", quality="limited"),
    _at("rated on mosaics only", {"E2": _OPEN}, quality_viewed="mosaic"),
    _at("two readers disagree", {"E2": _OPEN}, quality="inadequate", second_quality="adequate"),
    _at("disagreement settled as assessable", quality="inadequate", second_quality="adequate",
        adjudicated_quality="adequate"),
    _at("disagreement settled as not assessable", {"E2": "fail"}, quality="adequate",
        second_quality="inadequate", adjudicated_quality="inadequate"),
    # E3 and E4.
    _at("pathology indeterminate", {"E3": "fail"}, reference_class="indeterminate"),
    _at("malignant by clinical findings", {"E3": "fail"}, route="clinical", pathology_day=None,
        follow_up_day=120),
    _at("malignant by clinical findings although tissue proves it", {"I5": _OPEN, "E3": _OPEN},
        route="clinical"),
    _at("inflammatory, by follow-up", {"E4": "fail"},
        **_benign(reference_class="inflammatory", follow_up_day=120)),
)  # fmt: skip
BOUNDARY_STORIES: tuple[Scenario, ...] = tuple(boundary.story for boundary in BOUNDARIES)
