"""I3 and I4: the baseline CT, and the two MRI examinations with their technical limits."""

from __future__ import annotations

from schemas.partial_dates import PartialDate, days_between, is_between
from tasks.eligibility.facts import Facts
from tasks.eligibility.protocol import read_protocol
from tasks.eligibility.verdicts import (
    Part,
    all_of,
    any_of,
    days_text,
    decided,
    met,
    not_met,
    undetermined,
)

COMBINED_EXAM = "combined_exam"
_GAUSS_PER_TESLA = 10_000


def contrast_ct(facts: Facts) -> Part:
    """I3: a baseline CT with at least one post-contrast phase."""
    phases = facts.number("ct_contrast_phases")
    if facts.flag("ct_received") is False:
        if phases or facts.date("ct"):
            return undetermined("ct_received", reason="EVIDENCE_CONFLICT")
        return not_met("CT_NOT_DONE")
    if phases is None:
        no_ct = facts.date("ct") is None and not facts.flag("ct_received")
        return undetermined(*(["ct_received"] if no_ct else []), "ct_contrast_phases")
    seen = f"{phases:g} post-contrast phases"
    if phases >= read_protocol().limit("ct_phases_min"):
        return met(observed=seen)
    return not_met("NO_CONTRAST_PHASE", seen)


def mri_examinations(facts: Facts, reading: str) -> Part:
    """I4: both MRI within 15 days of the CT, at 1.5 T or more, T1 and T2 thin enough.

    Under `combined_exam` one gadoxetate examination with dynamic phases counts for both.
    """
    dce, eob = _in_window(facts, "dce"), _in_window(facts, "eob")
    if reading == COMBINED_EXAM:
        dce = any_of([dce, all_of([eob, _eob_is_dynamic(facts)])])
    return all_of([dce, eob, _field_strength(facts), _t1_thickness(facts), _t2_thickness(facts)])


def _in_window(facts: Facts, exam: str) -> Part:
    if facts.is_none(exam):
        return not_met("MRI_NOT_DONE", f"{exam} not done")
    mri, ct = facts.date(exam), facts.date("ct")
    if mri is None or ct is None:
        return undetermined(*[key for key in (exam, "ct") if facts.date(key) is None])
    days = int(read_protocol().limit("mri_window_days"))
    low, high = days_between(ct, mri)
    verdict = is_between(low, high, at_least=-days, at_most=days)
    seen = _difference(exam, ct, mri)
    return decided(verdict, facts, (exam, "ct"), "MRI_OUTSIDE_WINDOW", seen)


def _difference(exam: str, ct: PartialDate, mri: PartialDate) -> str:
    return days_text(f"{exam} - CT", days_between(ct, mri))


def _eob_is_dynamic(facts: Facts) -> Part:
    dynamic = facts.flag("eob_dynamic")
    if dynamic is None:
        return undetermined("eob_dynamic")
    return met() if dynamic else not_met("MRI_NOT_DONE", "no dynamic phases in the EOB-MRI")


def _field_strength(facts: Facts) -> Part:
    protocol = read_protocol()
    field_t = facts.number("field_t")
    if field_t is None or field_t <= 0:
        return undetermined("field_t")
    if field_t > protocol.limit("field_gauss_above"):
        field_t /= _GAUSS_PER_TESLA
    lowest = protocol.limit("field_min_t") - protocol.limit("field_tolerance_t")
    seen = f"{field_t:g} T"
    if field_t >= lowest - protocol.limit("float_noise"):
        return met(observed=seen)
    return not_met("FIELD_TOO_LOW", seen)


def _t1_thickness(facts: Facts) -> Part:
    """Every required T1 series is thin enough; one that is not decides."""
    known, unknown = _thicknesses(facts, "t1_mm")
    limit = _thickness_limit("t1_max_mm")
    seen = f"T1 at most {max(known):g} mm" if known else ""
    if any(thickness > limit for thickness in known):
        return not_met("T1_TOO_THICK", seen)
    return undetermined("t1_mm", observed=seen) if unknown or not known else met(observed=seen)


def _t2_thickness(facts: Facts) -> Part:
    """One diagnostic T2 is thin enough; slabs decide nothing, neither for nor against."""
    known, unknown = _thicknesses(facts, "t2_mm")
    slab = read_protocol().limit("t2_slab_from_mm")
    diagnostic = [thickness for thickness in known if thickness < slab]
    seen = f"T2 at least {min(diagnostic):g} mm" if diagnostic else ""
    if any(thickness <= _thickness_limit("t2_max_mm") for thickness in diagnostic):
        return met(observed=seen)
    if unknown or not diagnostic:
        return undetermined("t2_mm", observed=seen)
    return not_met("T2_TOO_THICK", seen)


def _thicknesses(facts: Facts, key: str) -> tuple[list[float], bool]:
    """Return the recorded thicknesses, and whether one is missing or zero."""
    every = facts.numbers(key)
    known = [thickness for thickness in every if thickness is not None and thickness > 0]
    return known, len(known) < len(every)


def _thickness_limit(name: str) -> float:
    protocol = read_protocol()
    tolerance = protocol.limit("thickness_tolerance_mm") + protocol.limit("float_noise")
    return protocol.limit(name) + tolerance
