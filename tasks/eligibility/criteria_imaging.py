"""I3 and I4: the baseline CT, and the two MRI examinations with their technical limits."""

from __future__ import annotations

from schemas.partial_dates import PartialDate, days_between, is_between
from schemas.protocol import Choices, read_protocol
from tasks.eligibility.facts import Facts
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

_GAUSS_PER_TESLA = 10_000


def contrast_ct(facts: Facts, _choices: Choices) -> Part:
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


def mri_examinations(facts: Facts, choices: Choices) -> Part:
    """I4: both MRI within 15 days of the CT, at 1.5 T or more, T1 and T2 thin enough.

    D05 may let one gadoxetate examination with dynamic phases count for both, D06 only MRI
    after the CT; D07 and D08 say which series must be thin, D23 how limits are rounded.
    """
    dce, eob = _in_window(facts, "dce", choices), _in_window(facts, "eob", choices)
    if choices["D05"] == "combined_exam":
        dce = any_of([dce, all_of([eob, _eob_is_dynamic(facts)])])
    technique = [rule(facts, choices) for rule in (_field_strength, _t1_thickness, _t2_thickness)]
    return all_of([dce, eob, *technique])


def _in_window(facts: Facts, exam: str, choices: Choices) -> Part:
    if facts.is_none(exam):
        return not_met("MRI_NOT_DONE", f"{exam} not done")
    mri, ct = facts.date(exam), facts.date("ct")
    if mri is None or ct is None:
        return undetermined(*[key for key in (exam, "ct") if facts.date(key) is None])
    days = int(read_protocol().limit("mri_window_days"))
    low, high = days_between(ct, mri)
    at_least = 0 if choices["D06"] == "after_ct" else -days
    verdict = is_between(low, high, at_least=at_least, at_most=days)
    seen = _difference(exam, ct, mri)
    return decided(verdict, facts, (exam, "ct"), "MRI_OUTSIDE_WINDOW", seen)


def _difference(exam: str, ct: PartialDate, mri: PartialDate) -> str:
    return days_text(f"{exam} - CT", days_between(ct, mri))


def _eob_is_dynamic(facts: Facts) -> Part:
    dynamic = facts.flag("eob_dynamic")
    if dynamic is None:
        return undetermined("eob_dynamic")
    return met() if dynamic else not_met("MRI_NOT_DONE", "no dynamic phases in the EOB-MRI")


def _field_strength(facts: Facts, choices: Choices) -> Part:
    protocol = read_protocol()
    field_t = facts.number("field_t")
    if field_t is None or field_t <= 0:
        return undetermined("field_t")
    if field_t > protocol.limit("field_gauss_above"):
        field_t /= _GAUSS_PER_TESLA
    lowest = protocol.limit("field_min_t") - _tolerance("field_tolerance_t", choices)
    seen = f"{field_t:g} T"
    if field_t >= lowest - protocol.limit("float_noise"):
        return met(observed=seen)
    return not_met("FIELD_TOO_LOW", seen)


def _t1_thickness(facts: Facts, choices: Choices) -> Part:
    """Every required T1 series is thin enough, one that is not decides; or any is enough (D07)."""
    known, unknown = _thicknesses(facts, "t1_mm")
    limit = _thickness_limit("t1_max_mm", choices)
    if choices["D07"] == "any":
        return _one_thin(known, unknown, limit, "t1_mm", "T1")
    seen = f"T1 at most {max(known):g} mm" if known else ""
    if any(thickness > limit for thickness in known):
        return not_met("T1_TOO_THICK", seen)
    return undetermined("t1_mm", observed=seen) if unknown or not known else met(observed=seen)


def _t2_thickness(facts: Facts, choices: Choices) -> Part:
    """One diagnostic T2 is thin enough, slabs decide nothing; or all T2 must be thin (D08)."""
    known, unknown = _thicknesses(facts, "t2_mm")
    limit = _thickness_limit("t2_max_mm", choices)
    if choices["D08"] == "all":
        seen = f"T2 at most {max(known):g} mm" if known else ""
        if any(thickness > limit for thickness in known):
            return not_met("T2_TOO_THICK", seen)
        return undetermined("t2_mm", observed=seen) if unknown or not known else met(observed=seen)
    slab = read_protocol().limit("t2_slab_from_mm")
    diagnostic = [thickness for thickness in known if thickness < slab]
    return _one_thin(diagnostic, unknown, limit, "t2_mm", "T2")


def _one_thin(known: list[float], unknown: bool, limit: float, key: str, name: str) -> Part:
    """One series is thin enough; another that is not recorded may still be."""
    seen = f"{name} at least {min(known):g} mm" if known else ""
    if any(thickness <= limit for thickness in known):
        return met(observed=seen)
    if unknown or not known:
        return undetermined(key, observed=seen)
    return not_met(f"{name}_TOO_THICK", seen)


def _thicknesses(facts: Facts, key: str) -> tuple[list[float], bool]:
    """Return the recorded thicknesses, and whether one is missing or zero."""
    every = facts.numbers(key)
    known = [thickness for thickness in every if thickness is not None and thickness > 0]
    return known, len(known) < len(every)


def _thickness_limit(name: str, choices: Choices) -> float:
    protocol = read_protocol()
    tolerance = _tolerance("thickness_tolerance_mm", choices) + protocol.limit("float_noise")
    return protocol.limit(name) + tolerance


def _tolerance(name: str, choices: Choices) -> float:
    return 0.0 if choices["D23"] == "none" else read_protocol().limit(name)
