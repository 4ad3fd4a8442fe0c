"""Faults that lie in what happened to a person: each changes one story, and so its true verdict."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tasks.simulate.people.conflicts import CONFLICTS
from tasks.simulate.people.scenarios import Scenario

# Name -> index of the site that has it, what changes in the story, what to look for.
STORY_FAULTS: dict[str, tuple[int, dict[str, Any], str]] = {
    "thickness_over_limit": (0, {"t1_thickness_mm": 5.06}, "I4"),
    "field_1t": (1, {"field_t": 1.0}, "I4"),
    "field_in_kilogauss": (2, {"field_t": 15.0}, "I4"),
    "unenhanced_ct": (3, {"ct_contrast": False}, "I3"),
    "missing_phases": (2, {"missing_slots": (("dce_mri", "MR_T1_PVP"),)}, "I4"),
    "eob_without_hbp": (0, {"missing_slots": (("eob_mri", "MR_T1_HBP"),)}, "I4"),
    "late_mri": (1, {"dce_day": 16, "eob_day": 17}, "I4"),
    "late_pathology": (
        2,
        {"route": "pathology", "reference_class": "HCC", "pathology_day": 31},
        "I5",
    ),
    "early_follow_up": (
        0,
        {
            "reference_class": "cyst", "route": "followup", "pathology_day": None,
            "follow_up_day": 60, "follow_up_closed": True,
        },
        "I5",
    ),
    "window_cut_short": (
        1,
        {
            "ct_date": dt.date(2028, 9, 28), "reference_class": "cyst", "route": "followup",
            "pathology_day": None, "follow_up_day": 60, "follow_up_closed": True,
        },
        "I5",
    ),
    "form_correction": (1, {"detected_by": "US", "first_entered_detected_by": "MRI"}, "I2"),
    "consent_withdrawn": (2, {"withdrawn_on_night": 2}, "consent"),
    **{
        f"conflict_{kind}": (0, conflict.story | {"conflict": kind}, conflict.rule_id)
        for kind, conflict in CONFLICTS.items()
    },
}  # fmt: skip

Change = Callable[[int, Scenario], Scenario]


def places_of(names: tuple[str, ...], per_site: int) -> dict[str, int]:
    """Return which subject of the site (0, 1, ...) has which story fault: the last one first."""
    mine = [name for name in STORY_FAULTS if name in names]
    return {name: (per_site - 1 - order) % per_site for order, name in enumerate(mine)}


def change_of(names: tuple[str, ...], per_site: int) -> Change:
    """Return what these faults make of the story at each place of a site."""
    places = places_of(names, per_site)

    def change(place: int, story: Scenario) -> Scenario:
        for name, where in places.items():
            if where == place:
                fields = dict(STORY_FAULTS[name][1])
                slots = (*story.missing_slots, *fields.pop("missing_slots", ()))
                label = f"{story.name}; {name}"
                story = replace(story, name=label, missing_slots=slots, **fields)
        return story

    return change
