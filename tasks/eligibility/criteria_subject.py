"""I1, I2, E1, E2, E4: what one record of the person decides."""

from __future__ import annotations

from schemas.partial_dates import add_years, days_between, is_before
from schemas.protocol import Choices, read_protocol
from tasks.eligibility.facts import Facts
from tasks.eligibility.verdicts import (
    Part,
    days_text,
    decided,
    met,
    not_met,
    undetermined,
)

_SCREENING_CT = "screening_CT"
_ANCHORS = {"ct": "CT", "mri": "MRI", "consent": "consent"}


def age_reached(facts: Facts, choices: Choices) -> Part:
    """I1: the 18th birthday lies on or before the day of the baseline CT, or of consent (D02).

    Born on 29 February one turns 18 on 28 February of a common year (month-end clamp).
    """
    day = "consent" if choices["D02"] == "consent" else "ct"
    birth, on = facts.date("birth"), facts.date(day)
    if birth is None or on is None:
        return undetermined(*[key for key in ("birth", day) if facts.date(key) is None])
    years = int(read_protocol().limit("age_years_min"))
    if add_years(birth.latest, years) <= on.earliest:
        return met(observed=f"{years} years or older")
    if add_years(birth.earliest, years) > on.latest:
        return not_met("UNDER_AGE", f"younger than {years} years")
    vague = [key for key, date in (("birth", birth), (day, on)) if date.exact is None]
    return undetermined(*vague, reason="DATE_NOT_PRECISE")


def detected_by_registered_route(facts: Facts, choices: Choices) -> Part:
    """I2: found by ultrasound or a screening CT (D03), on or before the day of the baseline CT.

    D24 says whether the screening CT may be the baseline CT.
    """
    route = facts.code("detected_by")
    if route is None:
        return undetermined("detected_by")
    if choices["D03"] != "any" and route not in read_protocol().detection_routes:
        return not_met("OTHER_DETECTION_ROUTE", route)
    return _found_in_time(facts, route, choices)


def _found_in_time(facts: Facts, route: str, choices: Choices) -> Part:
    """Hold the day of detection against the CT; a day that nobody recorded decides nothing."""
    found, ct = facts.date("detected"), facts.date("ct")
    if found is None or ct is None:
        return met(observed=route)
    days = days_between(ct, found)
    seen = f"{route}; {days_text('detection - CT', days)}"
    if days[0] > 0:
        return not_met("DETECTED_AFTER_CT", seen)
    if days[1] > 0:
        return undetermined("detected", reason="DATE_NOT_PRECISE", observed=seen)
    if route == _SCREENING_CT and days == (0, 0):
        if choices["D24"] == "not_allowed":
            return not_met("SCREENING_CT_NOT_ALLOWED", seen)
        return met("SCREENING_CT_IS_BASELINE", seen)
    return met(observed=seen)


def treated_before(facts: Facts, choices: Choices) -> Part:
    """E1: lesion-directed treatment that began before the baseline CT.

    D13 may choose consent or the baseline MRI instead; D28 decides the day itself, on which
    nobody knows the order.
    """
    key = choices["D13"]
    treated, began, anchor = facts.code("prior_tx"), facts.date("prior_tx_date"), facts.date(key)
    if treated is None:
        return undetermined("prior_tx")
    if treated == "no":
        return not_met("NOT_EXCLUDED", "no earlier treatment")
    if began is None or anchor is None:
        open_keys = [name for name in ("prior_tx_date", key) if facts.date(name) is None]
        return undetermined(*open_keys, observed="treated, order of the days not known")
    seen = days_text(f"treatment - {_ANCHORS[key]}", days_between(anchor, began))
    if began.exact and began.exact == anchor.exact and choices["D28"] != "after":
        if choices["D28"] == "before":
            return met("TREATED_BEFORE_CT", seen)
        return undetermined("prior_tx_date", reason="SAME_DAY_ORDER_UNKNOWN", observed=seen)
    part = decided(is_before(began, anchor), facts, ("prior_tx_date", key), "NOT_EXCLUDED", seen)
    return Part(part.verdict, _renamed(part.reason, "TREATED_BEFORE_CT"), part.missing, seen)


def quality_inadequate(facts: Facts, _choices: Choices) -> Part:
    """E2: a reviewer found the lesion not assessable; image metrics never decide."""
    rating = facts.code("iq")
    if rating is None:
        if facts.flag("iq_disagree"):
            return undetermined("iq", reason="READERS_DISAGREE")
        return undetermined("iq")
    if rating == "inadequate":
        return met("QUALITY_INADEQUATE", rating)
    return not_met("NOT_EXCLUDED", rating)


def inflammatory_lesion(facts: Facts, _choices: Choices) -> Part:
    """E4: a focal inflammatory lesion (English wording, D16)."""
    present = facts.code("inflammatory")
    if present is None:
        return undetermined("inflammatory")
    if present == "yes":
        return met("INFLAMMATORY_LESION", "inflammatory lesion recorded")
    return not_met("NOT_EXCLUDED", "no inflammatory lesion")


def _renamed(reason: str, name_of_met: str) -> str:
    return name_of_met if reason == "MET" else reason
