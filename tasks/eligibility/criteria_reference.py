"""I5 and E3: the reference standard, by pathology or by follow-up."""

from __future__ import annotations

from schemas.partial_dates import (
    PartialDate,
    days_between,
    is_between,
)
from schemas.protocol import Choices, read_protocol
from schemas.protocol_windows import is_long_enough, pathology_days
from schemas.reference import ReferenceState
from schemas.states import Verdict
from tasks.eligibility.facts import Facts
from tasks.eligibility.verdicts import (
    Part,
    any_of,
    days_text,
    decided,
    met,
    not_met,
    undetermined,
)


def reference_standard(facts: Facts, choices: Choices) -> Part:
    """I5: a specimen within 30 days after the baseline MRI, or three months of follow-up.

    The decisions that bear on it: which MRI (D10), direction (D09), whose date (D11), how long
    three months are (D12), and what becomes of windows that end after the study (D21).
    """
    mri = _baseline_mri(choices)
    parts = [_pathology(facts, mri, choices), _follow_up(facts, mri, choices)]
    if choices["D21"] == "own_node":
        parts = [
            _unless_truncated(part, facts, mri, window)
            for part, window in zip(parts, ("pathology", "follow_up"), strict=True)
        ]
    part = any_of(parts)
    if part.verdict is Verdict.NOT_MET:
        part = not_met("NO_REFERENCE_EVIDENCE", part.observed)
    return _held_against_the_record(part, facts)


def diagnosis_not_established(facts: Facts, choices: Choices) -> Part:
    """E3: the diagnosis is indeterminate, or reached by a route that is not accepted."""
    diagnosis, route = facts.code("dx"), facts.code("route")
    if facts.code("ref_state") == ReferenceState.CONTRADICTED:
        return undetermined(*facts.names("ref_missing"), reason="EVIDENCE_CONFLICT")
    if diagnosis is None:
        return undetermined("dx")
    if diagnosis == "indeterminate":
        return met("DIAGNOSIS_INDETERMINATE", diagnosis)
    if route is None:
        return undetermined("route", observed=diagnosis)
    seen = f"{diagnosis}/{route}"
    if route not in read_protocol().accepted_routes[diagnosis]:
        return met("ROUTE_NOT_ACCEPTED", seen)
    if facts.code("ref_state") in (ReferenceState.UNPROVEN, ReferenceState.PENDING):
        return undetermined(*facts.names("ref_missing"), observed=seen)
    by_pathology = (diagnosis, route) == ("benign", "pathology")
    if choices["D17"] == "follow_up_only":
        followed = _is_followed(facts, route) if diagnosis == "benign" else True
        if followed is None:
            return undetermined("fu", observed=seen)
        if not followed:
            return met("ROUTE_NOT_ACCEPTED", seen)
    return not_met("BENIGN_BY_PATHOLOGY" if by_pathology else "NOT_EXCLUDED", seen)


def _is_followed(facts: Facts, route: str) -> bool | None:
    """Return whether a benign label rests on follow-up (D17); None while nobody knows.

    Readers may have judged a benign lesion by its tissue alone.
    """
    return {"followup": True, "pathology": False}.get(route, facts.flag("fu_natural"))


def _held_against_the_record(part: Part, facts: Facts) -> Part:
    """Leave I5 open when the lesion's own record contradicts its label or does not carry it."""
    state, missing = facts.code("ref_state"), facts.names("ref_missing")
    if state == ReferenceState.CONTRADICTED:
        return undetermined(*missing, reason="EVIDENCE_CONFLICT", observed=part.observed)
    if part.verdict is Verdict.MET and state == ReferenceState.UNPROVEN and missing:
        return undetermined(*missing, observed=part.observed)
    return part


def _baseline_mri(choices: Choices) -> str:
    return "mri_later" if choices["D10"] == "later" else "mri"


def _pathology(facts: Facts, mri_key: str, choices: Choices) -> Part:
    mri, specimen = facts.date(mri_key), facts.date("path_specimen")
    report = facts.date("path_report")
    if facts.is_none("path"):
        if specimen or report:
            return undetermined("path", reason="EVIDENCE_CONFLICT")
        return not_met("NO_REFERENCE_EVIDENCE", "no pathology")
    if specimen and report and specimen.earliest > report.latest:
        return undetermined("path_specimen", "path_report", reason="EVIDENCE_CONFLICT")
    if choices["D11"] == "report":
        return _in_window(facts, "path_report", mri_key, choices)
    if specimen is None and report is None:
        return undetermined(*([] if mri else [mri_key]), "path_specimen")
    if mri is None:
        return undetermined(mri_key)
    if specimen is None:
        return _bounded_by_report(mri, report, choices)
    return _in_window(facts, "path_specimen", mri_key, choices, report)


def _in_window(
    facts: Facts, key: str, mri_key: str, choices: Choices, report: PartialDate | None = None
) -> Part:
    """Decide by one date; a specimen known to the month lies on or before the report's day."""
    mri, tissue = facts.date(mri_key), facts.date(key)
    if mri is None or tissue is None:
        return undetermined(*[name for name in (mri_key, key) if facts.date(name) is None])
    low, high = days_between(mri, tissue)
    if report is not None:
        high = min(high, (report.latest - mri.earliest).days)
    first, last = pathology_days(choices)
    verdict = is_between(low, high, at_least=first, at_most=last)
    seen = days_text(f"{'specimen' if key == 'path_specimen' else 'report'} - MRI", (low, high))
    part = decided(verdict, facts, (key, mri_key), "NO_REFERENCE_EVIDENCE", seen)
    return met("PATHOLOGY_IN_WINDOW", seen) if verdict is Verdict.MET else part


def _bounded_by_report(mri: PartialDate, report: PartialDate | None, choices: Choices) -> Part:
    """Decide from the report alone: the tissue was taken on its day or any time before."""
    if report is not None and (report.latest - mri.earliest).days < pathology_days(choices)[0]:
        return not_met("NO_REFERENCE_EVIDENCE", "report before MRI")
    return undetermined("path_specimen", reason="SPECIMEN_DATE_UNKNOWN")


def _follow_up(facts: Facts, mri_key: str, choices: Choices) -> Part:
    mri, image, closed = facts.date(mri_key), facts.date("fu"), facts.flag("fu_closed")
    if facts.is_none("fu") or (image is None and closed):
        return not_met("NO_REFERENCE_EVIDENCE", "no follow-up image")
    if image is None or mri is None:
        return undetermined(*[key for key in ("fu", mri_key) if facts.date(key) is None])
    verdict = is_long_enough(mri, image, choices)
    seen = days_text("follow-up - MRI", days_between(mri, image))
    if verdict is Verdict.NOT_MET and not closed:
        return undetermined("fu", reason="FOLLOW_UP_OPEN", observed=seen)
    if verdict is Verdict.MET and facts.flag("fu_treated"):
        return undetermined("path", reason="TREATED_BEFORE_FOLLOW_UP", observed=seen)
    if verdict is Verdict.MET and facts.flag("fu_concluded") is False:
        return undetermined("fu_conclusion", observed=seen)
    part = decided(verdict, facts, ("fu", mri_key), "NO_REFERENCE_EVIDENCE", seen)
    return met("FOLLOW_UP_LONG_ENOUGH", seen) if verdict is Verdict.MET else part


def _unless_truncated(part: Part, facts: Facts, mri_key: str, window: str) -> Part:
    """Keep a window open that the end of the study cuts short: it cannot be failed (D21)."""
    mri = facts.date(mri_key)
    if part.verdict is Verdict.MET or mri is None:
        return part
    study = read_protocol().study
    last = {
        "follow_up": study.last_baseline_mri_for_follow_up,
        "pathology": study.last_baseline_mri_for_pathology,
    }[window]
    if mri.earliest <= last:
        return part
    fact = "fu" if window == "follow_up" else "path_specimen"
    return undetermined(fact, reason="WINDOW_TRUNCATED", observed=part.observed)
